/**
 * A partition's table as of a position in the log, in the object store: what makes a take-over short.
 *
 * Invariants
 * (K1) A checkpoint is a shortcut and nothing else. Without one the table is folded from the first entry; so it is when
 *      the one that is there is damaged or of another version, which is said in the log.
 * (K2) Every effect of the entries up to its cursor has been performed, except queue items marked as not done.
 * (K3) It says how many rows it has and carries a digest of them: half a checkpoint, or a changed one, is none.
 */

import { hash } from 'node:crypto'
import type { FlowTimer, StateTag, Target, TaskTimer } from '../actors/index.ts'
import type { Cursor, Objects } from '../broker/index.ts'
import { type Deps, isJsonObject, isRetryable, type JsonValue } from '../core/index.ts'
import { type ArmedTimer, armedTimer, bareRow, type RunRow, timersOf } from './run-row.ts'

const VERSION = 1

export interface Checkpoint {
  /** Everything up to here is in `rows`; undefined for nothing yet. */
  readonly cursor: Cursor | undefined
  /** Everything up to here has been looked at for retention. */
  readonly retained: Cursor | undefined
  readonly rows: readonly RunRow[]
  /** Of the rows, as they are written. */
  readonly digest: string
}

export interface EncodedCheckpoint {
  readonly data: Uint8Array
  readonly digest: string
}

export function checkpointKey(partition: number): string {
  return `scheduler.${String(partition).padStart(2, '0')}`
}

/** The checkpoint as it is at the time of the call. */
export function encodeCheckpoint(
  partition: number,
  { cursor, retained, rows }: { cursor: Cursor; retained: Cursor | undefined; rows: Iterable<RunRow> },
): EncodedCheckpoint {
  const lines: string[] = []
  for (const row of rows) lines.push(`${JSON.stringify(encodeRow(row))}\n`)
  const body = lines.join('')
  const digest = digestOf(body)
  const head = { v: VERSION, partition, cursor, retained: retained ?? null, rows: lines.length, digest }
  return { data: Buffer.from(`${JSON.stringify(head)}\n${body}`), digest }
}

const digestOf = (body: string): string => hash('sha256', body)

/** What a partition begins with that nobody has written one of. */
const NONE: Checkpoint = { cursor: undefined, retained: undefined, rows: [], digest: digestOf('') }

/** Undefined when the one that is there cannot be used (K1). @throws what passes by itself: the broker is away */
export async function loadCheckpoint(
  objects: Objects,
  { logger }: Pick<Deps, 'logger'>,
  partition: number,
): Promise<Checkpoint | undefined> {
  try {
    const found = await objects.get(checkpointKey(partition))
    if (found === undefined) return NONE
    const read = readCheckpoint(Buffer.concat(await Array.fromAsync(found.data)).toString(), partition)
    if (read !== undefined) return read
    logger.warn(
      { partition },
      'the checkpoint of a partition is damaged or of another version; its log is read from the start',
    )
  } catch (error) {
    if (isRetryable(error)) throw error
    logger.warn(
      { partition, error },
      'the checkpoint of a partition cannot be read; its log is read from the start',
    )
  }
  return undefined
}

function readCheckpoint(text: string, partition: number): Checkpoint | undefined {
  const end = text.indexOf('\n')
  const head: JsonValue = JSON.parse(text.slice(0, end))
  const body = text.slice(end + 1)
  if (!isJsonObject(head) || head.v !== VERSION || head.partition !== partition) return undefined
  const digest = digestOf(body)
  if (digest !== head.digest) return undefined // (K3)
  const rows = body
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => decodeRow(JSON.parse(line)))
  if (rows.length !== head.rows || typeof head.cursor !== 'string') return undefined
  const retained = typeof head.retained === 'string' ? (head.retained as Cursor) : undefined
  return { cursor: head.cursor as Cursor, retained, rows, digest }
}

/** The order of these fields is the format. */
type RowFields = readonly [
  id: string,
  rev: number,
  tag: StateTag,
  since: number,
  epoch: number,
  worker: string | null,
  target: Target,
  limits: readonly string[],
  parent: string | null,
  asked: readonly [id: string, at: number, done: boolean] | null,
  isGranted: boolean,
  timers: readonly (readonly [
    timer: FlowTimer | TaskTimer,
    due: number,
    token: number,
    task: string | null,
  ])[],
]

function encodeRow(row: RunRow): RowFields {
  const { id, rev, tag, since, epoch, worker, target, limits, parent, asked, isGranted } = row
  const timers = [...timersOf(row)].map(
    (timer: ArmedTimer) => [timer.timer, timer.due, timer.token, timer.task ?? null] as const,
  )
  return [
    id,
    rev,
    tag,
    since,
    epoch,
    worker,
    target,
    limits,
    parent,
    asked && [asked.id, asked.at, asked.done],
    isGranted,
    timers,
  ]
}

/** What the digest has vouched for is what `encodeRow` wrote. */
function decodeRow(fields: RowFields): RunRow {
  const [id, rev, tag, since, epoch, worker, target, limits, parent, asked, isGranted, timers] = fields
  const row = bareRow({ id, rev, tag, since, target, limits, parent })
  row.epoch = epoch
  row.worker = worker
  row.asked = asked && { id: asked[0], at: asked[1], done: asked[2], again: 0 }
  row.isGranted = isGranted
  for (const [timer, due, token, task] of timers) {
    const armed = armedTimer(row, { timer, due, token, task: task ?? undefined })
    if (task === null) row.timers = [...row.timers, armed]
    else {
      row.taskTimers ??= new Map()
      row.taskTimers.set(task, armed)
    }
  }
  return row
}
