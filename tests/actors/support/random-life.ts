/** A life of a run, driven by numbers: whatever can be said to it is said, in any order, sensible or not. */

import fc from 'fast-check'
import { flowChart } from '../../../src/actors/flow-chart.ts'
import { taskChart } from '../../../src/actors/task-chart.ts'
import { flowEvents, NOW, taskEvents } from './alphabet.ts'
import {
  type FlowEvent,
  type Judgement,
  judgeChild,
  judgeFlow,
  judgeSignal,
  judgeTask,
  judgeTaskCall,
  judgeValue,
  judgeWait,
  judgeWaitDue,
  type TaskCall,
} from './room.ts'
import { TASK_POLICY, type TestRun } from './run.ts'

/** What to do, with which of the things there are, how long after the last. */
export type Move = readonly [what: number, which: number, ms: number]

export const moves = (maxLength: number): fc.Arbitrary<Move[]> =>
  fc.array(fc.tuple(fc.nat(99), fc.nat(99_999), fc.nat(3_000)), { minLength: 1, maxLength, size: 'max' })

/** Draws one of a list. */
type Pick = <T>(from: readonly T[]) => T

function picker(seed: number): Pick {
  let state = seed + 1
  return <T>(from: readonly T[]) => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9
    return from[((state ^ (state >>> 13)) >>> 0) % from.length] as T
  }
}

const IDS = ['a-0', 'a-1', 'b-0']
const NOTHING = [undefined, undefined, undefined]
const INSTEAD: readonly TaskCall['instead'][] = [
  ...NOTHING,
  ...NOTHING,
  ...NOTHING,
  ...NOTHING,
  { is: 'not-ready', message: 'no' },
  { is: 'trigger-failed', message: 'no' },
  { is: 'skip', result: { v: 1 } },
  { is: 'cached', cacheKey: 'k', result: { v: 2 } },
  { is: 'hold' },
]
const SCHEMA = { type: 'object', properties: { ok: { type: 'boolean', default: true } } } as const

export function live(run: TestRun, [what, which, ms]: Move): Judgement {
  run.tick(ms)
  const pick = picker(which)
  if (what < 35) return sensible(run, pick)
  if (what < 42) return anyFlowEvent(run, pick)
  if (what < 50) return call(run, pick)
  if (what < 75) return anyTaskEvent(run, pick)
  if (what < 78) return wait(run, pick)
  if (what < 79) return run.propose(judgeWaitDue(pick(['sleep-0', 'sleep-1', 'signal-0']), run.now))
  if (what < 86) return signal(run, pick)
  if (what < 88) return run.propose(judgeValue(pick(IDS), which))
  if (what < 97) return sensible(run, pick)
  const child = { id: pick(IDS), run: `child-${which}`, flow: 'child', again: pick([true, false]) }
  return run.propose(judgeChild(child, run.now))
}

/** What a host, a scheduler or a patient person would do next. */
function sensible(run: TestRun, pick: Pick): Judgement {
  const at = run.now
  const { tag, context } = run.state.flow
  if (tag.startsWith('SCHEDULED.') && context.worker === null)
    return run.propose(judgeFlow({ type: 'CLAIM', at, worker: 'w' }))
  if (tag === 'PENDING.Pending') return run.propose(judgeFlow({ type: 'START', at: Math.max(at, 2 * NOW) }))
  if (tag.startsWith('RUNNING.')) {
    const doing = pick([wait, call, call, outing, anyTaskEvent, anyTaskEvent, anyTaskEvent])
    return doing(run, pick)
  }
  if (tag.startsWith('PAUSED.') && pick([true, false]))
    return run.signal('resume', { key: `r-${run.entries.length}`, payload: { v: {} } })
  const [name, armed] = pick(Object.entries(context.timers)) ?? []
  if (armed === undefined) return run.signal('retry', { key: `t-${run.entries.length}` })
  const fired = flowEvents(run.state.flow).find((event) => event.type === `TIMER.${name}`)
  if (fired === undefined) throw new Error(`no event for ${name}`)
  run.now = Math.max(at, armed.due)
  return run.propose(judgeFlow({ ...fired, at: run.now }))
}

/** What takes a running run aside for a while. */
function outing(run: TestRun, pick: Pick): Judgement {
  const at = run.now
  const by = { channel: 'code' }
  const open = [...run.state.waits.values()].flatMap(({ record, outcome }) =>
    outcome === undefined ? [record] : [],
  )
  const ends = open.flatMap(({ until }) => until ?? [])
  const until = ends.length === 0 ? null : Math.min(...ends)
  const signals = open.flatMap(({ signal }) => signal ?? [])
  const event = pick<FlowEvent>([
    { type: 'PARK', at, until, signals },
    { type: 'PARK', at, until, signals },
    { type: 'PAUSE', at, key: 'p', until: at + 5_000, by },
    { type: 'SUSPEND', at, key: 's', until: null, by },
    { type: 'FAIL', at, message: 'no', retryDelayMs: 50 },
    { type: 'SIGNAL', at, name: 'other', by },
  ])
  return run.propose(judgeFlow(event))
}

/** Half of the time one that the chart takes, so that lives reach deep. */
function anyFlowEvent(run: TestRun, pick: Pick): Judgement {
  const events = flowEvents(run.state.flow)
  const taken = events.filter((event) => flowChart.can(run.state.flow, event))
  const event = pick(pick([true, false]) && taken.length > 0 ? taken : events)
  return run.propose(judgeFlow({ ...event, at: run.now }))
}

function anyTaskEvent(run: TestRun, pick: Pick): Judgement {
  const id = pick(IDS)
  const snapshot = run.state.tasks.get(id)?.snapshot
  if (snapshot === undefined) return run.task(id, { type: 'COMPLETE' })
  if (pick([true, false, false])) return run.task(id, { type: 'START' })
  const events = taskEvents(snapshot)
  const taken = events.filter((event) => taskChart.can(snapshot, event))
  const event = pick(pick([true, false]) && taken.length > 0 ? taken : events)
  return run.propose(judgeTask(id, { ...event, at: run.now }))
}

function call(run: TestRun, pick: Pick): Judgement {
  const id = pick(IDS)
  const instead = pick(INSTEAD)
  return run.propose(
    judgeTaskCall(
      {
        id,
        task: id.slice(0, 1),
        policy: { ...TASK_POLICY, retries: pick([0, 1, 2]) },
        inputs: pick(['one', 'one', 'one', 'two']),
        limits: pick([[], ['db']]),
        onMismatch: 'rerun',
        ...(instead && { instead }),
      },
      run.now,
    ),
  )
}

function wait(run: TestRun, pick: Pick): Judgement {
  const kind = pick(['pause', 'suspend', 'sleep', 'signal'] as const)
  const forMs = pick([null, 0, 2_000, 50_000])
  const named = kind === 'signal' ? { signal: pick(['go', 'stop']) } : {}
  const input = pick([...NOTHING, { schema: SCHEMA }])
  const request = { id: `${kind}-${pick([0, 1])}`, kind, forMs, ...named, ...(input && { input }) }
  return run.propose(judgeWait(request, run.now))
}

function signal(run: TestRun, pick: Pick): Judgement {
  const name = pick(['pause', 'suspend', 'resume', 'cancel', 'retry', 'go', 'stop'])
  const payload = pick([undefined, { v: {} }, { v: { ok: 'no' } }, { v: { ok: false } }])
  const by = { channel: pick(['cli', 'parent']) }
  const key = `key-${pick([...Array(40).keys()])}`
  return run.propose(judgeSignal({ name, key, by, ...(payload && { payload }) }, run.now))
}
