/**
 * The NATS driver: the run log and the queues are JetStream streams, the bus is core NATS, keys and objects are stores in
 * the layout of NATS's own tools. Right with nats-server 2.9.10 and newer.
 */

export { type NatsBrokerOptions, natsBroker } from './broker.ts'
export { type Environment, NATS_ENVIRONMENT } from './settings.ts'
