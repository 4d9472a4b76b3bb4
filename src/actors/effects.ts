/**
 * Effects of records that are in the log. Whoever wrote them may act at once; the holder of the partition performs
 * every effect of every entry as well, so each may happen twice and none is lost.
 */

import type { Cursor, Queue, Rev } from '../broker/index.ts'
import { isJsonObject, type JsonValue } from '../core/index.ts'
import { type Errand, parseErrand } from './errand.ts'
import type { Target } from './events.ts'
import type { Effect, RunRecord } from './records.ts'
import { asJson } from './shape.ts'

/** An effect and where it stands (R3). */
export interface PlacedEffect {
  /** `<run>/<rev>/<record>/<effect>`: the id of whatever is published for it. */
  readonly id: string
  readonly effect: Effect
  /** The task run whose record it stands in. */
  readonly task?: string
}

/** The effects of an entry, in order. `records` begin with the head, or with the record at place `from`. */
export function* effectsOf(
  run: string,
  rev: Rev,
  records: readonly RunRecord[],
  from = 0,
): Generator<PlacedEffect> {
  for (const [index, record] of records.entries()) {
    if (!('fx' in record) || record.fx === undefined) continue
    const task = record.k === 'task' ? { task: record.id } : {}
    for (const [place, effect] of record.fx.entries())
      yield { id: `${run}/${rev}/${from + index}/${place}`, effect, ...task }
  }
}

/** What waits in a work queue. */
export type QueueItem = WorkItem | ErrandItem

/** A body of one of the run's tasks that is to be run. */
export interface ErrandItem {
  readonly run: string
  readonly errand: Errand
}

/** A run that wants a worker. */
export interface WorkItem {
  readonly run: string
  /**
   * A copy of the run's first entry, if that was all of its log: who claims it need not read it. The claim is refused
   * when there is more by then, as any that rests on old knowledge.
   */
  readonly first?: readonly JsonValue[]
  /** Where that entry stands, if it was in the log when the item was made. */
  readonly at?: Cursor
}

/** Puts a run into its queue. Twice for the same effect is once. */
export async function enqueueRun(
  queue: Queue,
  work: WorkItem,
  target: Target,
  effectId: string,
): Promise<void> {
  await queue.enqueue(target.queue, asJson(work), { id: effectId, priority: target.priority })
}

/** What was claimed from a queue; undefined for anything that is not an item of ours. */
export function parseQueueItem(item: JsonValue): QueueItem | undefined {
  if (!isJsonObject(item) || typeof item.run !== 'string') return undefined
  const { at, first, run } = item
  if ('errand' in item) {
    const errand = parseErrand(item.errand)
    return errand === undefined ? undefined : { run, errand }
  }
  if (!Array.isArray(first)) return { run }
  return typeof at === 'string' ? { run, first, at: at as Cursor } : { run, first }
}
