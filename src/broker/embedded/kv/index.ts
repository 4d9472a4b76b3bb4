/** The key-value part of the embedded driver: its table, the feed of changes, and the port's `KeyValue` over them. */

export { type KvFeed, kvFeed } from './feed.ts'
export { embeddedKv } from './kv.ts'
export { type KvTable, kvTable } from './table.ts'
export { startWatch } from './watch.ts'
