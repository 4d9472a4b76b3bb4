/** Pages of a list: where one ends the next begins, whatever came in between. */

import type { Page } from '../../../api/index.ts'
import { CallboardError } from '../../../core/index.ts'
import type { Parameter } from '../sql.ts'

const MOST_PER_PAGE = 200
export const PER_PAGE = 50

/** Where a page ended: what the last item was ordered by. `order` holds it together with the list it is of. */
export interface Place {
  readonly order: string
  readonly values: readonly (string | number)[]
}

export function limitOf({ limit = PER_PAGE }: { readonly limit?: number }): number {
  return Math.min(limit, MOST_PER_PAGE)
}

/** Takes one more than the page holds: it tells that there is another page. */
export function pageUpTo<T>(found: readonly T[], limit: number, placeOf: (last: T) => Place): Page<T> {
  const items = found.slice(0, limit)
  const last = items.at(-1)
  return found.length <= limit || last === undefined ? { items } : { items, next: encode(placeOf(last)) }
}

/** The items of a page as they are shown. */
export function mapPage<T, U>({ items, next }: Page<T>, show: (item: T) => U): Page<U> {
  return next === undefined ? { items: items.map(show) } : { items: items.map(show), next }
}

function encode({ order, values }: Place): string {
  return Buffer.from(JSON.stringify([order, ...values])).toString('base64url')
}

/**
 * What a cursor says, when it is one of a list in this order; `kinds` are those of its values.
 *
 * @throws CB_E_PAGE_CURSOR
 */
export function afterPlace(
  cursor: string | undefined,
  order: string,
  kinds: readonly ('number' | 'string')[],
): readonly Parameter[] | undefined {
  if (cursor === undefined) return undefined
  const [of, ...values] = parsed(cursor)
  const isMeant = of === order && values.length === kinds.length
  const plain = values.filter((value, index) => isPlain(value) && typeof value === kinds[index])
  if (isMeant && plain.length === kinds.length) return plain as Parameter[]
  throw new CallboardError(
    'CB_E_PAGE_CURSOR',
    'The cursor is not one that this list gave out in this order. Give back `next` as it was received, with the same filter and order.',
  )
}

function parsed(cursor: string): unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}

function isPlain(value: unknown): boolean {
  return typeof value === 'string' || (typeof value === 'number' && Number.isSafeInteger(value))
}

/** A value of a filter as a list. */
export function listOf<T>(value: T | readonly T[] | undefined): readonly T[] | undefined {
  if (value === undefined) return undefined
  return Array.isArray(value) ? value : [value as T]
}
