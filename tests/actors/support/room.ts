/** What the tests of the charts and rules use of the room, and the broker's entries. */

export type { TaskCall } from '../../../src/actors/channel.ts'
export * from '../../../src/actors/codec.ts'
export * from '../../../src/actors/events.ts'
export * from '../../../src/actors/fold.ts'
export * from '../../../src/actors/judgement.ts'
export * from '../../../src/actors/records.ts'
export * from '../../../src/actors/rules.ts'
export * from '../../../src/actors/run-state.ts'
export * from '../../../src/actors/states.ts'
export type { Entry } from '../../../src/broker/index.ts'
