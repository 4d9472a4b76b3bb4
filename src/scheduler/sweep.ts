/**
 * The reconciliation sweep: proves of every run that is not terminal that something will move it, or that it waits for
 * a person; whatever it cannot prove is read in full and put right.
 *
 * Invariants
 * (Z1) What moves a run: an item in its queue, a timer that leads out of its state, a host that is alive, a place in
 *      the line for slots. Suspended and waiting runs without a host may wait for ever: that is what they are for.
 * (Z2) A queue item may be lost by a broker, so an old one is asked for again, each time after twice the time: if it
 *      was there all along the second one is found to be stale by whoever claims it.
 * (Z3) A suspicion counts when it was there in two sweeps, at the same revision: followings and leases lag.
 * (Z4) A repair is an event like any other, judged by the chart, or a queue item. Each is logged with the facts.
 */

import { isTerminalTag, openRun, type RunState } from '../actors/index.ts'
import type { Broker } from '../broker/index.ts'
import { assertNever, type Deps, type SteadyClock } from '../core/index.ts'
import { settled } from './limiter.ts'
import type { Partition } from './partition.ts'
import { type ArmedTimer, type RunRow, rowOfState } from './run-row.ts'

export interface SweepFacts {
  /** The broker's time. */
  readonly now: number
  /** After this an unclaimed item is asked for again, ms. */
  readonly claimWithinMs: number
  isAlive(worker: string): boolean
}

export type Finding =
  | { readonly is: 'fine' }
  /** (Z2) */
  | { readonly is: 'unclaimed' }
  | { readonly is: 'stuck'; readonly why: string }

const FINE: Finding = { is: 'fine' }

/** What a row proves of its run (Z1). */
export function judgeRow(row: RunRow, facts: SweepFacts): Finding {
  const [type, name] = row.tag.split('.')
  switch (type) {
    case 'SCHEDULED':
      return judgeScheduled(row, facts)
    case 'PENDING':
    case 'RUNNING':
      return judgeHosted(row, facts)
    case 'PAUSED':
      if (name === 'Paused') return judgeHosted(row, facts)
      if (name === 'Sleeping') return hasTimer(row, 'hold') ? FINE : stuck('it sleeps and no timer wakes it')
      return row.worker === null ? FINE : judgeHosted(row, facts)
    case 'CANCELLING':
      return hasTimer(row, 'grace') ? FINE : judgeHosted(row, facts)
    default:
      return FINE
  }
}

function judgeScheduled(row: RunRow, facts: SweepFacts): Finding {
  if (row.asked !== null) {
    const patienceMs = facts.claimWithinMs * 2 ** row.asked.again
    return row.asked.done && facts.now - row.asked.at > patienceMs ? { is: 'unclaimed' } : FINE
  }
  if (row.worker !== null && !facts.isAlive(row.worker)) return stuck('its host is gone')
  if (row.tag === 'SCHEDULED.AwaitingConcurrencySlot') return FINE
  if (hasTimer(row, 'start') || hasTimer(row, 'retry')) return FINE
  return stuck('it waits for a worker, and neither an item in a queue nor a timer leads there')
}

function judgeHosted({ worker }: RunRow, { isAlive }: SweepFacts): Finding {
  if (worker === null) return stuck('it needs a host and has none')
  return isAlive(worker) ? FINE : stuck('its host is gone')
}

function hasTimer(row: RunRow, name: ArmedTimer['timer']): boolean {
  return row.timers.some(({ timer }) => timer === name)
}

function stuck(why: string): Finding {
  return { is: 'stuck', why }
}

/** What puts a run right that was read in full. */
export type Repair =
  /** The row was wrong and the run is not: the row is replaced. */
  | { readonly do: 'correct-row' }
  | { readonly do: 'enqueue' }
  | { readonly do: 'lose-host'; readonly worker: string; readonly epoch: number }
  /** There is no event for this: a person has to look. */
  | { readonly do: 'report' }

/** `row` is made of `state`. */
export function repairOf(state: RunState, row: RunRow, facts: SweepFacts): Repair {
  if (isTerminalTag(state.state.tag) || judgeRow(row, facts).is === 'fine') return { do: 'correct-row' }
  const { worker, epoch } = state.flow.context
  if (worker !== null && !facts.isAlive(worker)) return { do: 'lose-host', worker, epoch }
  return row.tag.startsWith('SCHEDULED.') ? { do: 'enqueue' } : { do: 'report' }
}

export interface SweepEdge {
  readonly broker: Broker
  readonly deps: Deps
  readonly time: SteadyClock
  readonly claimWithinMs: number
  /** Those we act for. */
  readonly partitions: () => Iterable<Partition>
  isAlive(worker: string): boolean
  loseHost(run: string, epoch: number, reason: string): Promise<unknown>
  /** Takes care of a timer; `true` when nobody had. */
  addTimer(timer: ArmedTimer): boolean
}

/** A timer that is due for so long should have been fired. */
const OVERDUE_MS = 60_000
const REPAIRS_AT_ONCE = 16
/** Before looking at this many rows in a row, others get their turn. */
const MANY = 1_000

export class Sweep {
  readonly #edge: SweepEdge
  /** Stuck at the last sweep, and the revision at which (Z3). */
  #suspects = new Map<string, number>()
  #under: Promise<void> | undefined

  constructor(edge: SweepEdge) {
    this.#edge = edge
  }

  /** One sweep over everything held; one at a time. */
  run(): Promise<void> {
    this.#under ??= this.#sweep().finally(() => {
      this.#under = undefined
    })
    return this.#under
  }

  async #sweep(): Promise<void> {
    const { deps, time, claimWithinMs, isAlive } = this.#edge
    const facts: SweepFacts = { now: time.brokerNow(), claimWithinMs, isAlive }
    const suspects = new Map<string, number>()
    const repairs: (() => Promise<void>)[] = []
    for (const partition of this.#edge.partitions()) {
      if (partition.table.size > MANY) await new Promise<void>((resolve) => deps.clock.defer(resolve))
      this.#checkTimers(partition)
      for (const row of partition.table.rows()) {
        const finding = judgeRow(row, facts)
        if (finding.is === 'unclaimed') repairs.push(() => this.#askAgain(partition, row))
        if (finding.is !== 'stuck') continue
        suspects.set(row.id, row.rev)
        if (this.#suspects.get(row.id) === row.rev)
          repairs.push(() => this.#repair(partition, row, finding.why, facts))
      }
    }
    this.#suspects = suspects
    await settled(repairs, REPAIRS_AT_ONCE, (repair) => repair().catch((error) => this.#failed(error)))
  }

  #checkTimers(partition: Partition): void {
    const overdue = this.#edge.time.now() - OVERDUE_MS
    for (const timer of partition.timers()) {
      if (timer.due > overdue || !this.#edge.addTimer(timer)) continue
      const { row, timer: name, task, due } = timer
      this.#edge.deps.logger.warn(
        { run: row.id, timer: name, task, due },
        'a timer was overdue and nobody fired it',
      )
    }
  }

  /** (Z2) */
  async #askAgain(partition: Partition, row: RunRow): Promise<void> {
    const { asked } = row
    if (asked === null || !partition.acts) return
    asked.again++
    await this.#enqueue(row, `${asked.id}~${asked.again}`)
    const { broker, deps, time } = this.#edge
    const facts = { run: row.id, queue: row.target.queue, waitedMs: time.brokerNow() - asked.at }
    const waiting = await broker.queue.depth(row.target.queue)
    deps.logger.warn(
      { ...facts, waiting },
      'nobody has claimed a run for long; it was put into its queue again',
    )
  }

  #enqueue({ id, target }: RunRow, item: string): Promise<unknown> {
    return this.#edge.broker.queue.enqueue(target.queue, { run: id }, { id: item, priority: target.priority })
  }

  async #repair(partition: Partition, stale: RunRow, why: string, facts: SweepFacts): Promise<void> {
    const { broker, deps, loseHost } = this.#edge
    const state = await openRun(broker, deps, stale.id)
    if (!partition.acts || partition.table.get(stale.id) !== stale) return
    if (state === undefined) return partition.table.drop(stale.id)
    if (state.rev < stale.rev) return // it moved while it was read
    const row = rowOfState(state)
    const isStale = state.rev !== stale.rev
    partition.table.adopt(row)
    const repair = repairOf(state, partition.table.get(row.id) ?? row, facts)
    const { tag } = state.state
    deps.logger.warn({ run: row.id, rev: state.rev, tag, why, isStale, repair: repair.do }, 'a run was stuck')
    switch (repair.do) {
      case 'correct-row':
        return
      case 'enqueue': {
        const id = `${row.id}/sweep/${state.rev}`
        const fixed = partition.table.get(row.id)
        await this.#enqueue(row, id)
        if (fixed) fixed.asked = { id, at: facts.now, done: true, again: 0 }
        return
      }
      case 'lose-host':
        await loseHost(row.id, repair.epoch, `Worker ${repair.worker} is gone.`)
        return
      case 'report':
        deps.logger.error(
          { run: row.id, rev: state.rev, tag, why },
          'a run is stuck and no event would move it; please look at it',
        )
        return
      default:
        assertNever(repair)
    }
  }

  #failed(error: unknown): void {
    this.#edge.deps.logger.warn({ error }, 'a run could not be put right; the next sweep tries again')
  }
}
