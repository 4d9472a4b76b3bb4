/** States as people and programs see them. */

import { type Static, Type } from 'typebox'
import { strict, Text, Time } from './common.ts'

/** In the order of a run's life. `tests/gateway` holds it together with the statecharts. */
export const StateType = Type.Enum([
  'SCHEDULED',
  'PENDING',
  'RUNNING',
  'PAUSED',
  'CANCELLING',
  'COMPLETED',
  'FAILED',
  'CRASHED',
  'CANCELLED',
])
export type StateType = Static<typeof StateType>

/** A state without its circumstances. */
export const StateName = Type.Object({ type: StateType, name: Text }, strict)
export type StateName = Static<typeof StateName>

export const StateView = Type.Object(
  {
    type: StateType,
    name: Text,
    timestamp: Time,
    message: Type.Optional(Type.String()),
    /** The result, as tagged JSON; absent when there is none, or it is large (`details.dataBytes`). */
    data: Type.Optional(Type.Unknown({ description: 'The result, as tagged JSON.' })),
    /** What belongs to this state: `error`, `retryAt`, `until`, `input`, `key`, `worker`, `limits`, `dataBytes`. */
    details: Type.Record(Type.String(), Type.Unknown()),
  },
  strict,
)
export type StateView = Static<typeof StateView>

/** A state that a newer one took the place of before it was told. */
export const PassedState = Type.Object(
  {
    ...StateName.properties,
    timestamp: Time,
    /** The worker that had claimed the run. */
    worker: Type.Optional(Type.String()),
    /** Why its host was lost. */
    reason: Type.Optional(Type.String()),
  },
  strict,
)
export type PassedState = Static<typeof PassedState>

const Some = Type.Optional(Type.Integer({ minimum: 1 }))

/** How many there are of each type; types of which there are none are left out. */
export const StateCounts = Type.Object(
  {
    SCHEDULED: Some,
    PENDING: Some,
    RUNNING: Some,
    PAUSED: Some,
    CANCELLING: Some,
    COMPLETED: Some,
    FAILED: Some,
    CRASHED: Some,
    CANCELLED: Some,
  },
  strict,
)
export type StateCounts = Static<typeof StateCounts>
