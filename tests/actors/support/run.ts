/** A run in memory, driven by judges, with its log: what a `RunLog` does, without a broker. */

import { equal } from 'node:assert/strict'
import {
  applyRecords,
  beginRun,
  createdRecord,
  decodeEntry,
  type Effect,
  type Entry,
  encodeEntry,
  type FlowEvent,
  type FlowPolicy,
  foldEntry,
  type Judge,
  type Judgement,
  judgeFlow,
  judgeSignal,
  judgeTask,
  judgeTaskCall,
  judgeWait,
  legalSignals,
  RECORD_VERSION,
  type RunInput,
  type RunRecord,
  type RunState,
  type Signal,
  type TaskCall,
  type TaskEvent,
  type TaskPolicy,
} from './room.ts'

export const RUN_ID = '0cqv3h7k2m00000000000000test'

export const FLOW_POLICY: FlowPolicy = {
  retries: 0,
  maxRecoveries: 3,
  onCrash: 'recover',
  graceMs: 30_000,
  timeoutMs: null,
  lateAfterMs: 15_000,
  target: { queue: 'default', priority: 1 },
  limits: [],
}

export const TASK_POLICY: TaskPolicy = { retries: 0, timeoutMs: null }

type Untimed<Event> = Event extends { readonly at: number } ? Omit<Event, 'at'> : never
export type FlowStep = Untimed<FlowEvent>
export type TaskStep = Untimed<TaskEvent>

export class TestRun {
  readonly entries: Entry[] = []
  readonly state: RunState
  /** The time that proposals carry. */
  now = 1_000

  constructor(input: Partial<RunInput> & { readonly policy?: FlowPolicy } = {}) {
    const created = createdRecord({
      at: this.now,
      flow: 'weather',
      name: 'noisy-otter',
      parameters: { v: {} },
      policy: FLOW_POLICY,
      by: { channel: 'cli' },
      ...input,
    })
    this.#store([created])
    this.state = beginRun(RUN_ID, created, { rev: 1, at: this.now })
  }

  get tag(): string {
    return this.state.flow.tag
  }

  get context() {
    return this.state.flow.context
  }

  get legal(): string[] {
    return legalSignals(this.state)
  }

  /** The state that somebody finds who reads the log. */
  get refolded(): RunState {
    return foldAll(this.entries)
  }

  /** The records of the newest entry, without its head. */
  get written(): RunRecord[] {
    const newest = this.entries.at(-1)
    return newest === undefined ? [] : decodeEntry(newest).slice(1)
  }

  /** The effects of the newest entry. */
  get effects(): Effect[] {
    return this.written.flatMap((record) => ('fx' in record ? [...(record.fx ?? [])] : []))
  }

  tick(ms: number): this {
    this.now += ms
    return this
  }

  /** Judges and writes what comes of it. */
  propose(judge: Judge): Judgement {
    const judgement = judge(this.state)
    const records = 'records' in judgement ? (judgement.records ?? []) : []
    if (records.length > 0) {
      this.#store(records)
      applyRecords(this.state, records, { rev: this.entries.length })
    }
    return judgement
  }

  flow(step: FlowStep): Judgement {
    return this.propose(judgeFlow({ at: this.now, ...step } as FlowEvent))
  }

  task(id: string, step: TaskStep): Judgement {
    return this.propose(judgeTask(id, { at: this.now, ...step } as TaskEvent))
  }

  call(id: string, call: Partial<TaskCall> = {}): Judgement {
    return this.propose(
      judgeTaskCall({ id, task: id.replace(/-\d+$/, ''), policy: TASK_POLICY, ...call }, this.now),
    )
  }

  signal(name: string, signal: Partial<Signal> = {}): Judgement {
    const key = `key-${this.entries.length}-${name}`
    return this.propose(judgeSignal({ name, key, by: { channel: 'cli' }, ...signal }, this.now))
  }

  /** Fires an armed timer of the run, as the scheduler would: at its time, with its token. */
  fire(timer: Extract<FlowStep['type'], `TIMER.${string}`>): Judgement {
    const armed = this.context.timers[timer.slice('TIMER.'.length)]
    if (armed === undefined) throw new Error(`${timer} is not armed`)
    this.now = Math.max(this.now, armed.due)
    return this.flow({ type: timer, token: armed.token })
  }

  fireTask(id: string): Judgement {
    const armed = this.state.tasks.get(id)?.snapshot.context.timers.retry
    if (armed === undefined) throw new Error(`${id} has no retry armed`)
    this.now = Math.max(this.now, armed.due)
    return this.task(id, { type: 'TIMER.retry', token: armed.token })
  }

  taskTag(id: string): string | undefined {
    return this.state.tasks.get(id)?.snapshot.tag
  }

  // ── the usual ways

  claimed(worker = 'w1'): this {
    equal(this.flow({ type: 'CLAIM', worker }).is, 'write')
    return this
  }

  running(worker = 'w1'): this {
    this.claimed(worker)
    equal(this.flow({ type: 'START' }).is, 'write')
    return this
  }

  /** All its code waits, and it has left its process. */
  parked({ until = null, signals = [] }: { until?: number | null; signals?: readonly string[] }): this {
    const at = this.now
    if (until !== null) this.propose(judgeWait({ id: 'sleep-0', kind: 'sleep', forMs: until - at }, at))
    for (const signal of signals) {
      this.propose(judgeWait({ id: `${signal}-0`, kind: 'signal', signal, forMs: null }, at))
    }
    equal(this.flow({ type: 'PARK', until, signals }).is, 'write')
    return this
  }

  #store(records: readonly RunRecord[]): void {
    const head = { k: 'head', v: RECORD_VERSION, snap: 0 } as const
    this.entries.push(entryOf(this.entries.length + 1, encodeEntry(head, records), this.now))
  }
}

export function entryOf(rev: number, texts: readonly string[], at = 0): Entry {
  return {
    subject: RUN_ID,
    rev,
    at,
    cursor: String(rev) as Entry['cursor'],
    nonce: `n${rev}`,
    tombstone: false,
    records: texts.map((text) => JSON.parse(text)),
  }
}

export function foldAll(entries: readonly Entry[]): RunState {
  let state: RunState | undefined
  for (const entry of entries) state = foldEntry(state, entry)
  if (state === undefined) throw new Error('an empty log')
  return state
}
