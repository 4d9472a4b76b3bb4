/**
 * The ground of the embedded driver: the database file and its folder, the one way in which everything is
 * written (group commit), and waking up when another process has written.
 */

export { type Committer, committer, type Participant } from './committer.ts'
export { FILES, fileError, prepareFolder } from './folder.ts'
export { whenFree } from './patience.ts'
export { FORMAT } from './schema.ts'
export type { Command, Query } from './sqlite.ts'
export { openFolderStore, openMemoryStore, type Store, type StoreOptions, type Synchronous } from './store.ts'
export { type Wakeups, watchFolder } from './wakeups.ts'
