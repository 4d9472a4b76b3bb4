/** The log of the embedded driver: its table, its tail, its followers, and the port's `Log` over them. */

export { embeddedLog } from './log.ts'
export { type LogTable, logTable } from './table.ts'
export { type LogTail, logTail } from './tail.ts'
