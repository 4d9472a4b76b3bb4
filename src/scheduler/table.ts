/**
 * The runs of one partition that are not terminal, folded from its log. No chart is run here: the tag, the claim
 * and the effects in each record say all that the scheduler needs.
 *
 * Invariants
 * (T1) A row says of its run what the full fold of its log says, as of the row's revision. (A property test holds
 *      the two together.)
 * (T2) An entry changes a row once: one at or below the row's revision changes nothing.
 * (T3) A terminal run has no row. When one begins again, its row must be read from its log: `fold` says so.
 * (T4) `armed` and `disarmed` are told of every timer that comes and goes, exactly once each.
 * (T5) Tags, workers, targets and limits are one object each, however many rows have them.
 */

import {
  type CreatedRecord,
  type Effect,
  effectsOf,
  type FlowRecord,
  isTerminalTag,
  type RunRecord,
  type StateTag,
  type Target,
} from '../actors/index.ts'
import type { Entry, Rev } from '../broker/index.ts'
import type { JsonObject, JsonValue } from '../core/index.ts'
import { type ArmedTimer, armedTimer, bareRow, type RunRow, timersOf } from './run-row.ts'
import { dueHere } from './skew.ts'

/** An effect that reaches outside. Its id makes doing it twice harmless. */
export interface Outward {
  readonly id: string
  readonly run: string
  /** Of the entry that asks for it. */
  readonly rev: Rev
  readonly parent: string | null
  /** The task run whose record asks for it. */
  readonly task: string | undefined
  readonly effect: Exclude<Effect, TimerEffect> | HeedParent
}

type TimerEffect = Extract<Effect, { do: 'arm' | 'disarm' }>

/** A child run begins whose parent is, or may be, cancelled: what the parent told its children came too early for it. */
interface HeedParent {
  readonly do: 'heed-parent'
}

export interface TableListener {
  armed(timer: ArmedTimer): void
  disarmed(timer: ArmedTimer): void
}

export interface Folded {
  /** What the entry asks for that is to be done outside, in order. */
  readonly effects: readonly Outward[]
  /** (T3) */
  readonly mustRead: boolean
}

const NOTHING: Folded = { effects: [], mustRead: false }
const MUST_READ: Folded = { effects: [], mustRead: true }
const NO_LIMITS: readonly string[] = []

export class RunTable {
  readonly #rows = new Map<string, RunRow>()
  readonly #byWorker = new Map<string, Set<RunRow>>()
  readonly #children = new Map<string, Set<string>>()
  readonly #known = new Map<string, unknown>()
  readonly #listener: TableListener

  constructor(listener: TableListener) {
    this.#listener = listener
  }

  get size(): number {
    return this.#rows.size
  }

  get(run: string): RunRow | undefined {
    return this.#rows.get(run)
  }

  rows(): IterableIterator<RunRow> {
    return this.#rows.values()
  }

  /** Workers that host runs of this partition. */
  workers(): IterableIterator<string> {
    return this.#byWorker.keys()
  }

  hostedBy(worker: string): readonly RunRow[] {
    return [...(this.#byWorker.get(worker) ?? [])]
  }

  /** Runs of a parent that are not terminal. */
  childrenOf(parent: string): readonly string[] {
    return [...(this.#children.get(parent) ?? [])]
  }

  /** `records`: those of the entry that concern a table; `undefined` for the others. */
  fold(entry: Entry, records: readonly (RunRecord | undefined)[]): Folded {
    let row = this.#rows.get(entry.subject)
    const created = records.find((record) => record?.k === 'created')
    if (row === undefined && created) row = this.#begin(entry, created)
    else if (row === undefined) return records.some(matters) ? MUST_READ : NOTHING
    const isNew = entry.rev > row.rev // (T2)
    const effects: Outward[] = []
    for (const [index, record] of records.entries()) {
      if (record === undefined) continue
      if (isNew) this.#change(row, entry, record)
      effects.push(...this.#effects(row, entry, record, index, isNew))
    }
    row.rev = Math.max(row.rev, entry.rev)
    if (isTerminalTag(row.tag)) this.drop(row.id)
    return { effects, mustRead: false }
  }

  /** As `fold`, for an entry whose run had to be read (T3): `row` is from a fold that has the entry in it. */
  foldRead(entry: Entry, records: readonly (RunRecord | undefined)[], row: RunRow): Folded {
    this.adopt(row)
    if (this.#rows.has(row.id)) return this.fold(entry, records)
    const effects = records.flatMap((record, index) =>
      record === undefined ? [] : [...this.#effects(row, entry, record, index, false)],
    )
    return { effects, mustRead: false }
  }

  /** Takes a row as it is: from a checkpoint, or from the full fold of its run. An older one is replaced. */
  adopt(given: RunRow): void {
    const asked = this.#rows.get(given.id)?.asked ?? given.asked
    this.drop(given.id)
    if (isTerminalTag(given.tag)) return
    const row: RunRow = Object.assign(
      bareRow({
        id: given.id,
        rev: given.rev,
        tag: this.#oneTag(given.tag),
        since: given.since,
        target: this.#oneTarget(given.target),
        limits: this.#oneList(given.limits),
        parent: given.parent,
      }),
      { epoch: given.epoch, asked: isAsking(given.tag) ? asked : null, isGranted: given.isGranted },
    )
    this.#add(row)
    this.#setWorker(row, given.worker)
    for (const timer of timersOf(given)) this.#arm(row, armedTimer(row, timer))
  }

  /** Forgets a run. */
  drop(run: string): void {
    const row = this.#rows.get(run)
    if (!row) return
    this.#rows.delete(run)
    this.#setWorker(row, null)
    for (const timer of timersOf(row)) this.#listener.disarmed(timer)
    if (row.parent !== null) {
      const siblings = this.#children.get(row.parent)
      siblings?.delete(run)
      if (siblings?.size === 0) this.#children.delete(row.parent)
    }
  }

  /** A timer was fired and nobody waits for it any more. */
  spent(timer: ArmedTimer): void {
    this.#disarm(timer.row, timer.timer, timer.task, timer)
  }

  clear(): void {
    for (const run of [...this.#rows.keys()]) this.drop(run)
    this.#known.clear()
  }

  #begin(entry: Entry, created: CreatedRecord): RunRow {
    const row = bareRow({
      id: entry.subject,
      rev: 0,
      tag: this.#oneTag(created.s),
      since: entry.at,
      target: this.#oneTarget(created.policy.target),
      limits: this.#oneList(created.policy.limits),
      parent: created.parent?.run ?? null,
    })
    this.#add(row)
    return row
  }

  #add(row: RunRow): void {
    this.#rows.set(row.id, row)
    if (row.parent === null) return
    const siblings = this.#children.get(row.parent)
    if (siblings) siblings.add(row.id)
    else this.#children.set(row.parent, new Set([row.id]))
  }

  #change(row: RunRow, entry: Entry, record: RunRecord): void {
    if (record.k === 'tasks') this.#dropTaskTimers(row)
    if (record.k !== 'flow') return
    const { e, s } = record
    if (s !== row.tag) row.since = entry.at
    row.tag = this.#oneTag(s)
    if (!isAsking(s)) row.asked = null
    if (e.type === 'SLOT_WAIT') row.limits = this.#oneList(e.limits)
    row.isGranted = e.type === 'SLOT_GRANTED' || (row.isGranted && isAsking(s))
    if (e.type === 'CLAIM') {
      row.epoch++
      this.#setWorker(row, e.worker)
    } else if (losesWorker(record)) this.#setWorker(row, null)
    if (e.type === 'FAIL' || e.type === 'TIMER.timeout') this.#dropTaskTimers(row)
  }

  /** Effects on timers are done here, unless they were done before; the others are handed on. */
  *#effects(row: RunRow, entry: Entry, record: RunRecord, index: number, isNew: boolean): Iterable<Outward> {
    if (record.k === 'created' && this.#mayBeOrphan(row))
      yield {
        id: `${row.id}/heed`,
        run: row.id,
        rev: entry.rev,
        parent: row.parent,
        task: undefined,
        effect: { do: 'heed-parent' },
      }
    for (const { id, effect, task } of effectsOf(row.id, entry.rev, [record], index)) {
      if (effect.do === 'disarm') {
        if (isNew) this.#disarm(row, effect.timer, effect.task ?? task)
      } else if (effect.do === 'arm') {
        const { timer, token } = effect
        const due = dueHere(effect.due, entry, record)
        if (isNew) this.#arm(row, armedTimer(row, { timer, token, due, task: effect.task ?? task }))
      } else {
        if (effect.do === 'enqueue' && isAsking(row.tag))
          row.asked = { id, at: entry.at, done: false, again: 0 }
        yield { id, run: row.id, rev: entry.rev, parent: row.parent, task, effect }
      }
    }
  }

  #mayBeOrphan({ parent }: RunRow): boolean {
    if (parent === null) return false
    const tag = this.#rows.get(parent)?.tag
    return tag === undefined || tag.startsWith('CANCELLING.')
  }

  #arm(row: RunRow, timer: ArmedTimer): void {
    this.#disarm(row, timer.timer, timer.task)
    if (timer.task === undefined) row.timers = [...row.timers, timer]
    else {
      row.taskTimers ??= new Map()
      row.taskTimers.set(timer.task, timer)
    }
    this.#listener.armed(timer)
  }

  /** `only`: nothing happens when another one has taken its place. */
  #disarm(row: RunRow, name: ArmedTimer['timer'], task: string | undefined, only?: ArmedTimer): void {
    const armed =
      task === undefined ? row.timers.find(({ timer }) => timer === name) : row.taskTimers?.get(task)
    if (armed === undefined || (only !== undefined && armed !== only)) return
    if (task === undefined) row.timers = row.timers.filter((timer) => timer !== armed)
    else {
      row.taskTimers?.delete(task)
      if (row.taskTimers?.size === 0) row.taskTimers = null
    }
    this.#listener.disarmed(armed)
  }

  #dropTaskTimers(row: RunRow): void {
    for (const timer of row.taskTimers?.values() ?? []) this.#listener.disarmed(timer)
    row.taskTimers = null
  }

  #setWorker(row: RunRow, worker: string | null): void {
    if (row.worker === worker) return
    if (row.worker !== null) {
      const rows = this.#byWorker.get(row.worker)
      rows?.delete(row)
      if (rows?.size === 0) this.#byWorker.delete(row.worker)
    }
    row.worker = worker
    if (worker === null) return
    const rows = this.#byWorker.get(worker)
    if (rows === undefined) {
      this.#byWorker.set(worker, new Set([row]))
      return
    }
    for (const other of rows) {
      row.worker = other.worker // (T5)
      break
    }
    rows.add(row)
  }

  /** (T5) The first value seen under a key stands for all later ones. */
  #one<T>(key: string, value: T): T {
    const known = this.#known.get(key)
    if (known !== undefined) return known as T
    this.#known.set(key, value)
    return value
  }

  #oneTag(tag: StateTag): StateTag {
    return isTerminalTag(tag) ? tag : this.#one(tag, tag)
  }

  #oneTarget(target: Target): Target {
    return this.#one(`target ${target.priority} ${target.queue}`, target)
  }

  #oneList(list: readonly string[]): readonly string[] {
    return list.length === 0 ? NO_LIMITS : this.#one(`list ${JSON.stringify(list)}`, list)
  }
}

/** Kinds that a table has nothing to do with, unless they carry an effect. */
const BESIDE: ReadonlySet<JsonValue | undefined> = new Set<RunRecord['k']>([
  'head',
  'task+',
  'task',
  'wait',
  'wait-',
  'child',
  'value',
  'note',
  'poison',
  'snapshot',
])

/** Whether a record may say anything that a table is made of. Most are steps of task runs, and do not. */
export function concerns({ k, fx }: JsonObject): boolean {
  return fx !== undefined || !BESIDE.has(k)
}

/** Whether a run in this state waits for somebody to claim it. */
function isAsking(tag: StateTag): boolean {
  return tag.startsWith('SCHEDULED.')
}

/** Whether this record of a run without a row moves it, or asks for something. */
function matters(record: RunRecord | undefined): boolean {
  return record?.k === 'flow' && (!isTerminalTag(record.s) || (record.fx?.length ?? 0) > 0)
}

/** Events after which nobody hosts the run (`leaveWorker` and `handOver` in the chart). */
function losesWorker({ e, s }: FlowRecord): boolean {
  switch (e.type) {
    case 'SLOT_WAIT':
    case 'PARK':
    case 'RELEASE':
    case 'HOST_LOST':
      return true
    case 'QUIESCED':
    case 'FAIL':
      return s === 'PAUSED.Suspended'
    default:
      return false
  }
}
