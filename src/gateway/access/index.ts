/**
 * The doors of the gateway: who asks, what they may do, which pages and addresses may ask at all, and how often. Routes
 * and sockets ask here; nothing here knows what they do.
 */

export { addDoors, type DoorOptions } from './doors.ts'
export { createKeeper, type Keeper, type KeeperOptions } from './keeper.ts'
export { type AccessMode, isOpenAt } from './policy.ts'
export {
  ANYBODY,
  demand,
  demandRun,
  demandUnbound,
  isUnbound,
  mayTouch,
  nameOf,
  narrowed,
  type Principal,
  type RunMark,
  type Scope,
  senderOf,
  viewOf,
} from './principal.ts'
export { newKey, type RunTokenScope } from './tokens.ts'
