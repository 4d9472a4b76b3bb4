import { describe, expect, test } from 'vitest'
import { type PartitionEvent, partitionMachine, standby, step } from '../../src/scheduler/partition-chart.ts'

type Type = PartitionEvent['type']
const EVENTS: readonly Type[] = ['ACQUIRED', 'CAUGHT_UP', 'LOST', 'LET_GO', 'RELEASED']

/** Where a series of events leads, and what the last one wants done. */
function after(...events: readonly Type[]) {
  let result = { to: standby, commands: [] as readonly { readonly do: string }[] }
  for (const type of events) result = { ...step(result.to, { type }) }
  return { state: result.to.value, does: result.commands.map((command) => command.do) }
}

/** A shortest way to each state. */
const WAYS: Readonly<Record<string, readonly Type[]>> = {
  standby: [],
  takingOver: ['ACQUIRED'],
  holding: ['ACQUIRED', 'CAUGHT_UP'],
  lettingGo: ['ACQUIRED', 'CAUGHT_UP', 'LET_GO'],
}

/** Everything that is taken; what is not listed changes nothing. */
const TAKEN: Readonly<Record<string, readonly [to: string, does: string]>> = {
  'standby ACQUIRED': ['takingOver', 'take-over'],
  'takingOver CAUGHT_UP': ['holding', 'act'],
  'takingOver LET_GO': ['lettingGo', 'release'],
  'takingOver LOST': ['standby', 'drop'],
  'holding LET_GO': ['lettingGo', 'hand-over'],
  'holding LOST': ['standby', 'drop'],
  'lettingGo RELEASED': ['standby', 'drop'],
  'lettingGo ACQUIRED': ['takingOver', 'drop, take-over'],
  'lettingGo LOST': ['standby', 'drop'],
}

describe('the chart of a partition', () => {
  test('has the states listed here and no others', () => {
    expect(Object.keys(partitionMachine.states).sort()).toEqual(Object.keys(WAYS).sort())
  })

  for (const [state, way] of Object.entries(WAYS))
    for (const type of EVENTS) {
      const [to, does] = TAKEN[`${state} ${type}`] ?? [state, undefined]
      test(`${type} in ${state} ${does ? `leads to ${to} and does "${does}"` : 'changes nothing'}`, () => {
        expect(after(...way).state).toBe(state)
        expect(after(...way, type)).toEqual({ state: to, does: does?.split(', ') ?? [] })
      })
    }

  test('gives an ignored event back the very snapshot, so that nobody acts on it', () => {
    expect(step(standby, { type: 'CAUGHT_UP' }).to).toBe(standby)
  })
})
