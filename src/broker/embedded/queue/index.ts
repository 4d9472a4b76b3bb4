/** The queues of the embedded driver: their table, the desk where claimers wait, and the port's `Queue` over them. */

export { type Claimer, claimDesk, type Desk } from './desk.ts'
export { embeddedQueue } from './queue.ts'
export { type ItemRow, type QueueTable, queueTable } from './table.ts'
