/** The bus of the embedded driver: listeners in this process, other processes of the machine over a local socket. */

export { embeddedBus } from './bus.ts'
export { joinPeers, type Peers } from './peers.ts'
export { type Switchboard, switchboard } from './switchboard.ts'
