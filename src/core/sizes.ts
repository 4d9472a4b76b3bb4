/** Sizes as people write them: a number of bytes, or a text such as `'64KiB'`. Inside, always a whole number of bytes. */

/** A number of bytes (also as text), or an amount with the unit `B`, `KiB`, `MiB`, `GiB` or `TiB`: `'1.5 MiB'`. */
export type SizeInput = number | string

/** What a size may look like, for messages. `MB` is left out on purpose: people disagree on what it is. */
export const SIZE_FORM = "a number of bytes, or a text such as '64KiB', '1MiB' or '20GiB'"

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** Whole bytes, or undefined when it is not a size. Case does not count. */
export function parseSize(given: SizeInput): number | undefined {
  const [, amount, name] = /^\s*(\d+(?:\.\d+)?)\s?([a-z]*)\s*$/i.exec(String(given)) ?? []
  const power = UNITS.findIndex((unit) => unit.toLowerCase() === (name || 'b').toLowerCase())
  if (amount === undefined || power === -1) return undefined
  const bytes = Math.round(Number(amount) * 1024 ** power)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** With the largest unit that leaves a whole number, so that it reads back exactly. */
export function formatSize(bytes: number): string {
  let power = 0
  while (power < UNITS.length - 1 && bytes > 0 && bytes % 1024 ** (power + 1) === 0) power++
  return `${bytes / 1024 ** power}${UNITS[power]}`
}
