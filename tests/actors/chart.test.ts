import { describe, expect, test } from 'vitest'
import { setup } from 'xstate'
import { type Counted, chartOf } from '../../src/actors/chart.ts'
import { Planner } from '../../src/actors/chart-plans.ts'
import type { Effect } from '../../src/actors/records.ts'
import type { ChartSnapshot } from '../../src/actors/run-state.ts'

interface Context extends Counted {
  readonly seen: number
}
type Event = { readonly type: 'GO' | 'STAY' | 'END' | 'NOTHING' | 'BAD_GUARD' | 'BAD_ASSIGN' | 'LOG' }

let executed = 0
const base = setup({
  types: {} as { context: Context; events: Event },
  actions: {
    effect: (_asked, _effects: readonly Effect[]) => {
      executed++
    },
    log: () => {},
  },
  guards: {
    bad: () => {
      throw new Error('the guard broke')
    },
  },
})
const effect = { type: 'effect', params: [{ do: 'tell-parent' }] } as const

const machine = base.createMachine({
  id: 'tiny',
  context: { n: 0, customName: null, seen: 0 },
  initial: 'RUNNING',
  on: { GO: '.COMPLETED' }, // also from a finished machine, if it were asked
  states: {
    RUNNING: {
      initial: 'Running',
      states: { Running: {} },
      on: {
        STAY: { actions: [base.assign({ seen: ({ context }) => context.n }), effect] },
        BAD_GUARD: { guard: 'bad', target: 'COMPLETED' },
        BAD_ASSIGN: {
          target: 'COMPLETED',
          actions: [
            effect,
            base.assign(() => {
              throw new Error('the assignment broke')
            }),
          ],
        },
        LOG: { actions: 'log' },
        END: 'FAILED',
      },
    },
    COMPLETED: { initial: 'Completed', states: { Completed: {}, Other: {} } },
    FAILED: { type: 'final' },
  },
})

const chart = chartOf<Context, Event>(machine)
const START: ChartSnapshot<Context> = { tag: 'RUNNING.Running', context: { n: 7, customName: null, seen: 0 } }

describe('a step', () => {
  test('gives the next tag and context, and the effects, without executing anything', () => {
    expect(chart.step(START, { type: 'STAY' })).toEqual({
      is: 'moved',
      to: { tag: 'RUNNING.Running', context: { n: 8, customName: null, seen: 8 } },
      effects: [{ do: 'tell-parent' }],
    })
    expect(executed).toBe(0)
  })

  test('leaves the snapshot it started from as it was', () => {
    const before = structuredClone(START)
    chart.step(START, { type: 'STAY' })
    chart.step(START, { type: 'GO' })
    expect(START).toEqual(before)
  })

  test('that was taken before comes to the same again, from another context', () => {
    chart.step(START, { type: 'STAY' })
    const later = { ...START, context: { ...START.context, n: 20 } }
    expect(chart.step(later, { type: 'STAY' })).toEqual({
      is: 'moved',
      to: { tag: 'RUNNING.Running', context: { n: 21, customName: null, seen: 21 } },
      effects: [{ do: 'tell-parent' }],
    })
  })

  test('that no transition takes is ignored', () => {
    expect(chart.step(START, { type: 'NOTHING' })).toEqual({ is: 'ignored' })
  })

  test.each([
    ['BAD_GUARD', /the guard broke/],
    ['BAD_ASSIGN', /the assignment broke/],
    ['LOG', /an action of its own: log/],
  ] as const)(
    '[scenario 19] that throws (%s) is poisoned, and the next one works and has only its own effects',
    (type, error) => {
      expect(chart.step(START, { type })).toEqual({ is: 'poisoned', error: expect.stringMatching(error) })
      expect(chart.step(START, { type: 'GO' })).toMatchObject({ is: 'moved', effects: [] })
    },
  )

  test('from a state that the chart does not have is poisoned', () => {
    expect(chart.step({ ...START, tag: 'CRASHED.Crashed' }, { type: 'GO' })).toEqual({
      is: 'poisoned',
      error: 'The chart tiny has no state CRASHED.Crashed.',
    })
  })

  test('of the same event on the same snapshot is the same step', () => {
    const event = { type: 'STAY' } as const
    const step = chart.step(START, event)
    expect(chart.step(START, event)).toBe(step)
    expect(chart.step({ ...START }, event)).not.toBe(step)
    expect(chart.step(START, { ...event })).not.toBe(step)
  })

  test('from a state named by user code is judged by its type, and keeps the name only while it stays', () => {
    const custom = { tag: 'RUNNING.Dancing', context: { n: 1, customName: 'Dancing', seen: 0 } } as const
    expect(chart.step(custom, { type: 'STAY' })).toMatchObject({ to: { tag: 'RUNNING.Dancing' } })
    expect(chart.step({ ...custom, tag: 'COMPLETED.Dancing' }, { type: 'STAY' })).toEqual({ is: 'ignored' })
  })
})

test('a finished machine takes nothing, although a transition is there', () => {
  const finished = { ...START, tag: 'FAILED.Failed' } as const
  expect(chart.step(finished, { type: 'GO' })).toEqual({ is: 'ignored' })
})

test('`can` says whether a step would be taken, and never throws', () => {
  expect(chart.can(START, { type: 'STAY' })).toBe(true)
  expect(chart.can(START, { type: 'NOTHING' })).toBe(false)
  expect(chart.can(START, { type: 'BAD_GUARD' })).toBe(false)
})

test('plans in order see what those before them set, and add up their effects', () => {
  const deed = new Planner<Context, Event>().inOrder([
    () => ({ set: { seen: 5 }, effects: [{ do: 'tell-parent' }] }),
    ({ seen }) => ({ set: { seen: seen + 1 } }),
    () => ({ effects: [{ do: 'nudge-host' }] }),
  ])
  expect(deed(START.context, { type: 'GO' })).toEqual({
    set: { seen: 6 },
    effects: [{ do: 'tell-parent' }, { do: 'nudge-host' }],
  })
})
