/** The log of the embedded driver: its table, its tail, its followers, and the port's `Log` over them. */

export { embeddedLog } from './log.ts'
export { type LogTable, logTable, type Page } from './table.ts'
export { type LogTail, logTail, type TailListener } from './tail.ts'
