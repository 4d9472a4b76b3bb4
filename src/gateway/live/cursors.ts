/**
 * Where a client has come to, as a text: the broker's cursor of an entry, `<cursor>`, when all of that entry has been
 * seen; `<cursor>:<index>:<run>.<rev>` after its event of that index. Nothing of this gateway is in it, so that any other
 * one can go on from there.
 */

import type { Cursor, Entry, Rev } from '../../broker/index.ts'

export interface Place {
  readonly entry: Cursor
  /** The client is inside that entry, which is this one of this run, and has seen so many events of it. */
  readonly inside: { readonly seen: number; readonly run: string; readonly rev: Rev } | undefined
}

const INSIDE = /^(?<entry>.+):(?<index>\d{1,9}):(?<run>[\w-]{1,64})\.(?<rev>\d{1,15})$/s

/** Whether the entry's part is a cursor the broker says, once it is asked for what follows. */
export function placeOf(text: string): Place {
  const { entry, index, run, rev } = INSIDE.exec(text)?.groups ?? {}
  if (entry === undefined || run === undefined) return { entry: text as Cursor, inside: undefined }
  return { entry: entry as Cursor, inside: { seen: Number(index) + 1, run, rev: Number(rev) } }
}

/** The cursor after event `index` of the `count` events of an entry. */
export function cursorAfter(
  { cursor, subject, rev }: Pick<Entry, 'cursor' | 'subject' | 'rev'>,
  index: number,
  count: number,
): string {
  return index === count - 1 ? cursor : `${cursor}:${index}:${subject}.${rev}`
}
