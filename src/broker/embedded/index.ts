/**
 * The embedded driver: the broker port over SQLite in a folder that the processes of one machine share, or in
 * memory. No server to run; see `docs/decisions/embedded-group-commit.md` for why it is fast.
 */

export { embeddedBroker } from './embedded.ts'
export { type MemoryPlace, type MemoryPlaceOptions, memoryBroker, memoryPlace } from './memory.ts'
