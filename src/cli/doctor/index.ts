/** What `callboard doctor` looks at, a check each. A check never throws: what goes wrong is what it finds. */

export { checkBroker } from './broker.ts'
export type { Finding } from './finding.ts'
export { checkGateway } from './gateway.ts'
export { checkNode, checkSettings } from './here.ts'
