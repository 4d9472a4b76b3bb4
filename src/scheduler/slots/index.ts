/**
 * Concurrency slots: the limits and where they are kept, the book of who holds and who waits, the keeper that puts it on
 * the bus, and the wishes of runs that have no host to speak for them.
 */

export { SlotKeeper } from './keeper.ts'
export { LIMITS_BUCKET, type Limit, limitKey, parseLimit } from './limit.ts'
export { type LimitReset, resetLimit } from './reset.ts'
export { renewWishes } from './wishes.ts'
