/** The objects of the embedded driver: in a folder or in memory, and the port's `Objects` over either. */

export type { ObjectBackend } from './backend.ts'
export { fileObjects, removeLeftovers } from './files.ts'
export { memoryObjects } from './memory.ts'
export { embeddedObjects } from './objects.ts'
