/** The live half of the client: one connection, the subscriptions and requests on it, and what becomes of them when it breaks. */

export { Live, type Reply } from './live.ts'
export type { Reader } from './reader.ts'
export type {
  GapItem,
  LiveEvent,
  LiveItem,
  SnapshotItem,
  SubscribeOptions,
} from './subscription.ts'
