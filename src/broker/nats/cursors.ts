/**
 * Positions in the log: which stream, and how far. A stream is known by when it was made; one that was wiped and
 * made again is another one, and its positions mean nothing to the first.
 */

import { createHash } from 'node:crypto'
import { CallboardError } from '../../core/index.ts'
import type { Cursor } from '../port.ts'

export interface Position {
  readonly stream: string
  readonly seq: number
}

const CURSOR_PATTERN = /^n1\.([0-9a-f]{12})\.(\d{1,16})$/

/** What stands for a stream in a cursor. */
export function identityOf(created: string): string {
  return createHash('sha256').update(created).digest('hex').slice(0, 12)
}

export function cursorOf(identity: string, seq: number): Cursor {
  return `n1.${identity}.${seq}` as Cursor
}

/** Undefined when it is no cursor of ours. */
export function positionIn(cursor: Cursor): Position | undefined {
  const [, stream, seq] = CURSOR_PATTERN.exec(String(cursor)) ?? []
  return stream === undefined ? undefined : { stream, seq: Number(seq) }
}

/** @throws CB_E_CURSOR_INVALID */
export function positionOf(cursor: Cursor): Position {
  const position = positionIn(cursor)
  if (position !== undefined) return position
  throw new CallboardError(
    'CB_E_CURSOR_INVALID',
    `"${String(cursor).slice(0, 80)}" is not a cursor of a NATS broker. Use one as it was received, or "start" or "tail".`,
  )
}

/** @throws CB_E_CURSOR_INVALID also when they belong to different streams */
export function compareCursors(a: Cursor, b: Cursor): number {
  const [left, right] = [positionOf(a), positionOf(b)]
  if (left.stream !== right.stream)
    throw new CallboardError(
      'CB_E_CURSOR_INVALID',
      'The two cursors belong to different run logs: one of them is from before the broker was wiped or replaced.',
    )
  return left.seq - right.seq
}

export function cursorLost(reason: string): CallboardError {
  return new CallboardError(
    'CB_E_CURSOR_LOST',
    `The run log at the NATS server is not the one that this position belongs to: ${reason}. Rebuild from "start", and find out who emptied the broker.`,
  )
}
