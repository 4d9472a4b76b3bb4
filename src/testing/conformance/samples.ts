/** Values and names that the cases of several parts use: what must pass through whole, what must be refused. */

import type { JsonValue } from '../../core/index.ts'

/** Every shape JSON has, and the texts that careless code breaks on. */
export const SHAPES: readonly JsonValue[] = [
  null,
  true,
  false,
  0,
  -0.5,
  1e21,
  5e-324,
  Number.MAX_SAFE_INTEGER,
  '',
  ' ',
  'a\u0000b',
  'line\nline\r\n\ttab "quoted" \\ back',
  '\u2028\u2029\u0085',
  'ünïcödé – 漢字 – العربية – עברית',
  '👩‍👩‍👧‍👦 🏴󠁧󠁢󠁥󠁮󠁧󠁿',
  '\ud800 alone',
  'e\u0301 is not \u00e9',
  [],
  {},
  [[], [[]], {}, [{}]],
  { '': 'empty key', 'a.b': 1, ключ: [1, 2, 3], constructor: 'c', toString: 't' },
  JSON.parse('{"__proto__":{"polluted":true},"hasOwnProperty":1}'),
  { deep: { er: { and: { deeper: [1, { x: null }, 'y', [true, false]] } } } },
  Array.from({ length: 500 }, (_, i) => i),
]

/** Names that are not one token. */
export const NOT_TOKENS: readonly string[] = [
  '',
  'a.b',
  'a b',
  'ä',
  '*',
  '>',
  'a/b',
  '..',
  'a\u0000',
  'a\n',
  'x'.repeat(65),
]

/** Keys that are not tokens joined by dots, or are too long. */
export const NOT_KEYS: readonly string[] = [
  '',
  '.',
  'a.',
  '.a',
  'a..b',
  'a b',
  'ä',
  'a.*',
  '>',
  '../a',
  'a/b',
  'x'.repeat(65),
  longKey(257),
]

/** A valid key of exactly this many characters. */
export function longKey(length: number): string {
  return Array.from({ length }, (_, i) => (i % 60 === 59 && i < length - 1 ? '.' : 'k')).join('')
}

/** A string whose JSON text has exactly this many bytes in UTF-8. */
export function stringOfBytes(bytes: number): string {
  return 'x'.repeat(bytes - 2)
}

/** The same with characters of three bytes each: far fewer characters than bytes. */
export function wideStringOfBytes(bytes: number): string {
  const wide = Math.floor((bytes - 2) / 3)
  return '漢'.repeat(wide) + 'x'.repeat(bytes - 2 - wide * 3)
}
