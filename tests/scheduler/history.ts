/** Random histories of a run, made by the real judges: what a log may hold. */

import fc from 'fast-check'
import {
  applyRecords,
  beginRun,
  createdRecord,
  encodeEntry,
  type FlowEvent,
  type Judge,
  judgeFlow,
  judgeTask,
  judgeTaskCall,
  judgeWait,
  RECORD_VERSION,
  type RunRecord,
  type RunState,
  type TaskEvent,
} from '../../src/actors/index.ts'
import type { Cursor, Entry } from '../../src/broker/index.ts'
import { type JsonValue, seededRandom } from '../../src/core/index.ts'
import { POLICY } from './stage.ts'

export const START_MS = 1_767_225_600_000

/** Something that happens: of what the run takes, or of everything there is. */
interface Happening {
  /** Only this, if the run takes it. */
  readonly type?: string
  /** Chooses among what the run takes, and the particulars. */
  readonly pick: number
  /** How much later it happens. */
  readonly ms: number
}

const FLOW_TYPES = [
  ...[
    'CLAIM',
    'START',
    'SLOT_WAIT',
    'SLOT_GRANTED',
    'FAIL',
    'PAUSE',
    'SUSPEND',
    'PARK',
    'QUIESCED',
    'RESUME',
  ],
  ...['SIGNAL', 'CANCEL', 'HOST_LOST', 'RELEASE', 'RETRY', 'TIMER'],
]
/** What always ends a run: seldom, or histories are short. */
const ENDINGS = ['COMPLETE', 'CRASH', 'ABANDON', 'CANCELLED']
const TASK_TYPES = [
  'CALL',
  'CALL',
  'START',
  'START',
  'FAIL',
  'FAIL',
  'FAIL',
  'COMPLETE',
  'TIMER',
  'CANCEL',
].map((type) => `task ${type}`)

const happening: fc.Arbitrary<Happening> = fc.record({
  pick: fc.nat({ max: 100_000 }),
  ms: fc.integer({ min: 0, max: 40_000 }),
})

/** What happens to a run, and whether it is scheduled for later, needs slots, has a parent. */
export const historyPlan: fc.Arbitrary<HistoryPlan> = fc.record({
  happenings: fc.array(happening, { maxLength: 50, size: 'max' }),
  laterMs: fc.constantFrom(0, 0, 60_000),
  limits: fc.constantFrom<readonly string[]>([], ['gpu']),
  timeoutMs: fc.constantFrom(null, 30_000),
  retries: fc.integer({ min: 0, max: 3 }),
  hasParent: fc.boolean(),
})

export interface HistoryPlan {
  readonly happenings: readonly Happening[]
  readonly laterMs: number
  readonly limits: readonly string[]
  readonly timeoutMs: number | null
  readonly retries: number
  readonly hasParent: boolean
}

export interface History {
  readonly entries: readonly Entry[]
  /** The full fold after each entry: a copy of the state as it was. */
  readonly states: readonly RunState[]
}

const by = { channel: 'test' }

/** Plays a plan; what the charts refuse is left out. */
export function play(run: string, plan: HistoryPlan): History {
  const policy = { ...POLICY, limits: plan.limits, timeoutMs: plan.timeoutMs, retries: plan.retries }
  const created = createdRecord({
    at: START_MS,
    flow: 'flow',
    name: 'a run',
    parameters: { v: null },
    scheduledTime: START_MS + plan.laterMs,
    policy,
    by,
    ...(plan.hasParent ? { parent: { run: 'parent', key: 'child-0' } } : {}),
  })
  const entries: Entry[] = []
  const states: RunState[] = []
  let at = START_MS
  const write = (records: readonly RunRecord[]) => {
    const rev = entries.length + 1
    const texts = encodeEntry({ k: 'head', v: RECORD_VERSION, snap: 0 }, records)
    entries.push({
      subject: run,
      rev,
      at,
      cursor: String(at) as Cursor,
      nonce: String(rev),
      records: texts.map((text): JsonValue => JSON.parse(text)),
      tombstone: false,
    })
    states.push(structuredClone(state))
  }
  const state = beginRun(run, created, { rev: 1, at })
  write([created])
  for (const each of plan.happenings) {
    at += each.ms
    const records = recordsOf(state, each, at)
    if (records.length === 0) continue
    applyRecords(state, records, { rev: entries.length + 1 })
    write(records)
  }
  return { entries, states }
}

/** One of the things that the run takes now; nothing when it takes none. */
function recordsOf(state: RunState, { type, pick, ms }: Happening, at: number): readonly RunRecord[] {
  const types =
    type === undefined ? [...FLOW_TYPES, ...TASK_TYPES, ...(pick % 4 === 0 ? ENDINGS : [])] : [type]
  const particulars = type === undefined ? pick >>> 5 : pick
  const random = seededRandom(pick)
  for (let tries = 0; tries < types.length; tries++) {
    const next = types[Math.floor(random.next() * types.length)] ?? ''
    const judgement = judgeOf(state, next, particulars, ms, at)(state)
    if (judgement.is === 'write') return judgement.records
  }
  return []
}

function judgeOf(state: RunState, type: string, pick: number, ms: number, at: number): Judge {
  if (type === 'PARK') return judgePark(pick, ms, at)
  if (!type.startsWith('task ')) return judgeFlow(flowEvent(state, type, pick, ms, at))
  const id = `task-${pick % 2}`
  if (type === 'task CALL')
    return judgeTaskCall({ id, task: 'task', policy: { retries: 1 + (pick % 3), timeoutMs: null } }, at)
  return judgeTask(id, taskEvent(state, id, type.slice('task '.length), pick, ms, at))
}

/** The code begins to wait, for a time or for a signal, and leaves its process. */
function judgePark(pick: number, ms: number, at: number): Judge {
  return (state) => {
    const id = `wait-${state.waits.size}`
    const signal = pick % 2 === 0 ? ({ kind: 'signal', signal: 'go' } as const) : ({ kind: 'sleep' } as const)
    const forMs = pick % 4 === 0 ? null : ms
    const waits = judgeWait({ id, ...signal, forMs }, at)(state)
    if (waits.is !== 'write') return waits
    const waiting = structuredClone(state)
    applyRecords(waiting, waits.records, { rev: state.rev + 1 })
    const open = [...waiting.waits.values()].filter(({ outcome }) => outcome === undefined)
    const ends = open.flatMap(({ record }) => (record.until === null ? [] : [record.until]))
    const until = ends.length === 0 ? null : Math.min(...ends)
    const signals = new Set(
      open.flatMap(({ record }) => (record.signal === undefined ? [] : [record.signal])),
    )
    const parks = judgeFlow({ type: 'PARK', at, until, signals: [...signals] })(waiting)
    return parks.is === 'write' ? { ...parks, records: [...waits.records, ...parks.records] } : parks
  }
}

function flowEvent(state: RunState, type: string, pick: number, ms: number, at: number): FlowEvent {
  const { epoch, timers } = state.flow.context
  switch (type) {
    case 'CLAIM':
      return { type, at, worker: `worker-${pick % 3}` }
    case 'SLOT_WAIT':
      return { type, at, limits: ['gpu'] }
    case 'FAIL':
      return { type, at, message: 'failed', retryDelayMs: [0, ms, null][pick % 3] ?? null }
    case 'CRASH':
      return { type, at, message: 'crashed' }
    case 'PAUSE':
    case 'SUSPEND':
      return { type, at, key: `key-${pick}`, until: pick % 2 === 0 ? at + ms : null, by }
    case 'RESUME':
    case 'CANCEL':
    case 'RETRY':
      return { type, at, by }
    case 'SIGNAL':
      return { type, at, name: pick % 4 === 0 ? 'go' : 'other', by }
    case 'HOST_LOST':
      return { type, at, epoch: pick % 4 === 0 ? epoch - 1 : epoch, reason: 'gone' }
    case 'RELEASE':
      return { type, at, epoch }
    case 'TIMER': {
      const armed = Object.entries(timers)
      const [name, timer] = armed[pick % Math.max(1, armed.length)] ?? ['late', { token: 0 }]
      return { type: `TIMER.${name}` as 'TIMER.late', at, token: pick % 5 === 0 ? -1 : timer.token }
    }
    case 'START':
    case 'SLOT_GRANTED':
    case 'COMPLETE':
    case 'ABANDON':
    case 'QUIESCED':
    case 'CANCELLED':
      return { type, at }
    default:
      throw new Error(`No such event: ${type}`)
  }
}

function taskEvent(
  state: RunState,
  id: string,
  type: string,
  pick: number,
  ms: number,
  at: number,
): TaskEvent {
  switch (type) {
    case 'FAIL':
      return { type, at, message: 'failed', retryDelayMs: [0, ms, ms, null][pick % 4] ?? null }
    case 'TIMER': {
      const token = state.tasks.get(id)?.snapshot.context.timers.retry?.token ?? -1
      return { type: 'TIMER.retry', at, token }
    }
    case 'START':
    case 'COMPLETE':
    case 'CANCEL':
      return { type, at }
    default:
      throw new Error(`No such event: ${type}`)
  }
}
