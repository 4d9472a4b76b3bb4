/** Cursors of the embedded log: the store's id and a `seq`, so that a cursor of another store is recognised. */

import { CallboardError } from '../../../core/index.ts'
import type { Cursor } from '../../port.ts'

const PATTERN = /^e1\.([0-9a-v]{28})\.(0|[1-9a-z][0-9a-z]{0,9})$/

export interface Position {
  readonly storeId: string
  readonly seq: number
}

export function cursorAt(storeId: string, seq: number): Cursor {
  return `e1.${storeId}.${seq.toString(36)}` as Cursor
}

/** @throws CB_E_CURSOR_INVALID */
export function parseCursor(cursor: string): Position {
  const [, storeId, seq] = PATTERN.exec(cursor) ?? []
  if (storeId !== undefined && seq !== undefined) return { storeId, seq: Number.parseInt(seq, 36) }
  throw new CallboardError(
    'CB_E_CURSOR_INVALID',
    `${JSON.stringify(cursor)} is not a cursor of an embedded store. Use one as it was received, or start from "start" or "tail".`,
  )
}

/**
 * The `seq` of a cursor in the store that is open, whose newest entry is at `newest`.
 *
 * @throws CB_E_CURSOR_INVALID, CB_E_CURSOR_LOST
 */
export function seqIn(
  store: { readonly id: string; readonly where: string },
  newest: number,
  cursor: string,
): number {
  const { storeId, seq } = parseCursor(cursor)
  if (storeId === store.id && seq <= newest) return seq
  const why = storeId === store.id ? 'points past its end' : 'was given out by another store'
  throw new CallboardError(
    'CB_E_CURSOR_LOST',
    `The cursor ${why}: ${store.where} was wiped, replaced or set back. Start again from "start" and find out who did it.`,
    { details: { cursor, newest } },
  )
}
