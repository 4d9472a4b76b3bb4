/**
 * The door for people and programs: REST, the live socket, keys, and the read model under them. Everything that the
 * command line and the pages do goes through here; nothing has a private way in. Imports core, the broker port, the actors,
 * the scheduler's limits, the catalogue and the wire.
 */

export type { AccessMode } from './access/index.ts'
export { newKey } from './access/index.ts'
export { createGateway, type Gateway, type GatewayOptions } from './gateway.ts'
