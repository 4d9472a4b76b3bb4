/**
 * Archives runs that have been terminal for long enough. The log is in the order of time, so a second reading of it,
 * as far behind as runs are kept, meets every run when its time has come: no index of what ended when.
 *
 * Invariants
 * (A1) A run is archived on top of the revision at which it was found terminal for long enough: one that was retried
 *      meanwhile is a conflict, and stays.
 * (A2) Passing over the same entries again finds tombstones and does nothing.
 */

import { decodeEntry, isTerminalTag, openRun } from '../actors/index.ts'
import type { Broker, Cursor, Entry } from '../broker/index.ts'
import { type Deps, partitionOf, type SteadyClock } from '../core/index.ts'
import { archiveRun } from './archive-run.ts'
import { settled } from './limiter.ts'
import type { Partition } from './partition.ts'

export interface RetentionEdge {
  readonly broker: Broker
  readonly deps: Deps
  readonly time: SteadyClock
  /** How long a terminal run is kept, ms. */
  readonly keepMs: number
  /** Those we act for. */
  readonly partitions: () => Iterable<Partition>
}

const ARCHIVED_AT_ONCE = 4

export class Retention {
  readonly #edge: RetentionEdge
  #under: Promise<number> | undefined
  #stopReading: (() => void) | undefined
  #isStopped = false

  constructor(edge: RetentionEdge) {
    this.#edge = edge
  }

  /** One pass over what has become old enough since the last; resolves with how many runs were archived. */
  run(): Promise<number> {
    this.#under ??= this.#pass().finally(() => {
      this.#under = undefined
    })
    return this.#under
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stopReading?.()
    await this.#under
  }

  async #pass(): Promise<number> {
    const { broker, deps, time, keepMs } = this.#edge
    const partitions = new Map(
      [...this.#edge.partitions()].map((partition) => [partition.partition, partition]),
    )
    if (partitions.size === 0 || this.#isStopped) return 0
    const horizon = time.brokerNow() - keepMs
    const enough = Promise.withResolvers<void>()
    this.#stopReading = enough.resolve
    let archived = 0
    const handler = async (entries: readonly Entry[]) => {
      const old = entries.filter(({ at }) => at <= horizon)
      archived += await this.#archiveAll(partitions, old, horizon)
      const last = old.at(-1)?.cursor
      if (last !== undefined) for (const partition of partitions.values()) this.#passed(partition, last)
      if (old.length < entries.length || this.#isStopped) enough.resolve()
    }
    try {
      const from = this.#oldest([...partitions.values()])
      const following = await broker.log.follow({ partitions: new Set(partitions.keys()) }, from, handler)
      await Promise.race([enough.promise, following.caughtUp, following.ended])
      await following.stop()
    } catch (error) {
      deps.logger.warn({ error }, 'old runs could not be archived; the next pass goes on from there')
    }
    if (archived > 0) deps.logger.info({ archived, keepMs }, 'runs that ended long ago were archived')
    return archived
  }

  #oldest(partitions: readonly Partition[]): Cursor | 'start' {
    const { log } = this.#edge.broker
    let oldest = partitions[0]?.retained
    for (const { retained } of partitions) {
      if (retained === undefined || oldest === undefined) return 'start'
      if (log.compare(retained, oldest) < 0) oldest = retained
    }
    return oldest ?? 'start'
  }

  #passed(partition: Partition, cursor: Cursor): void {
    const { retained } = partition
    if (retained === undefined || this.#edge.broker.log.compare(cursor, retained) > 0)
      partition.retained = cursor
  }

  async #archiveAll(
    partitions: ReadonlyMap<number, Partition>,
    entries: readonly Entry[],
    horizon: number,
  ): Promise<number> {
    const ended = new Set(entries.filter(endsRun).map(({ subject }) => subject))
    let archived = 0
    await settled(ended, ARCHIVED_AT_ONCE, async (run) => {
      if (this.#isStopped || partitions.get(partitionOf(run))?.acts !== true) return
      try {
        if (await this.#archive(run, horizon)) archived++
      } catch (error) {
        this.#edge.deps.logger.warn({ run, error }, 'a run could not be archived; it stays')
      }
    })
    return archived
  }

  async #archive(run: string, horizon: number): Promise<boolean> {
    const { broker, deps, time } = this.#edge
    const state = await openRun(broker, deps, run)
    if (state === undefined || !isTerminalTag(state.state.tag) || state.state.at > horizon) return false // (A2)
    const by = { channel: 'scheduler' }
    return (await archiveRun({ broker, deps }, state, { at: time.now(), by })) !== undefined // (A1)
  }
}

function endsRun(entry: Entry): boolean {
  if (entry.tombstone) return false
  try {
    return decodeEntry(entry).some((record) => record.k === 'flow' && isTerminalTag(record.s))
  } catch {
    return false // whoever follows the log has said so
  }
}
