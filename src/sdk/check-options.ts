/** Options as users give them: known names only, the right kind of value, nothing that contradicts. */

import { CallboardError, nearest, parseDuration, quote } from '../core/index.ts'

/** What an option's value must be, in words for the message, and whether it is. */
export interface OptionKind {
  readonly form: string
  is(value: unknown): boolean
}

const kind = (form: string, is: (value: unknown) => boolean): OptionKind => ({ form, is })

export const text: OptionKind = kind('a text', (value) => typeof value === 'string' && value !== '')
export const anyText: OptionKind = kind('a text', (value) => typeof value === 'string')
export const flag: OptionKind = kind('true or false', (value) => typeof value === 'boolean')
export const callable: OptionKind = kind('a function', (value) => typeof value === 'function')
export const textOrFunction: OptionKind = kind(
  'a text or a function',
  (value) => typeof value === 'string' || typeof value === 'function',
)
export const texts: OptionKind = kind(
  'a list of texts',
  (value) => Array.isArray(value) && value.every((part) => typeof part === 'string'),
)
export const textOrTexts: OptionKind = kind(
  'a text or a list of texts',
  (value) => text.is(value) || texts.is(value),
)
export const hooks: OptionKind = kind(
  'a function or a list of functions',
  (value) =>
    typeof value === 'function' ||
    (Array.isArray(value) && value.every((part) => typeof part === 'function')),
)
export const count: OptionKind = kind(
  'a whole number, 0 or more',
  (value) => Number.isSafeInteger(value) && Number(value) >= 0,
)
export const factor: OptionKind = kind(
  'a number, 0 or more',
  (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0,
)
export const duration: OptionKind = kind("a duration such as 30 (seconds) or '10m'", (value) =>
  isDuration(value),
)
export const delay: OptionKind = kind(
  'a duration, a list of at most 50 of them, exponentialBackoff(…) or a function of the number of failures',
  (value) =>
    typeof value === 'function' ||
    isDuration(value) ||
    (Array.isArray(value) && value.length > 0 && value.length <= 50 && value.every(isDuration)),
)
export const record: OptionKind = kind('an object', (value) => typeof value === 'object' && value !== null)
export const labels: OptionKind = kind(
  'an object with an id, all of its values texts',
  (value) =>
    record.is(value) &&
    Object.hasOwn(Object(value), 'id') &&
    Object.values(Object(value)).every((each) => typeof each === 'string'),
)
export function oneOf(...values: readonly string[]): OptionKind {
  return kind(`one of ${values.map((each) => `'${each}'`).join(', ')}`, (value) =>
    values.some((each) => each === value),
  )
}

function isDuration(value: unknown): boolean {
  if (typeof value !== 'number' && typeof value !== 'string') return false
  try {
    parseDuration(value)
    return true
  } catch {
    return false
  }
}

/**
 * Checks every option that was given.
 *
 * @param what names whose options they are: `task 'fetch-weather'`
 * @throws CB_E_OPTION_UNKNOWN with the nearest known name, CB_E_OPTION_INVALID with what is allowed
 */
export function checkOptions(what: string, given: object, kinds: Readonly<Record<string, OptionKind>>): void {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    const expected = Object.hasOwn(kinds, name) ? kinds[name] : undefined
    if (expected === undefined) throw unknownOption(what, name, Object.keys(kinds))
    if (!expected.is(value))
      throw new CallboardError(
        'CB_E_OPTION_INVALID',
        `The option ${name} of ${what} is ${quote(value)}. Give ${expected.form}.`,
        { details: { option: name } },
      )
  }
}

function unknownOption(what: string, name: string, known: readonly string[]): CallboardError {
  const near = nearest(name, known)
  const hint = near === undefined ? `Known are ${known.toSorted().join(', ')}.` : `Did you mean ${near}?`
  return new CallboardError('CB_E_OPTION_UNKNOWN', `There is no option ${name} of ${what}. ${hint}`, {
    details: { option: name, ...(near === undefined ? {} : { nearest: near }) },
  })
}
