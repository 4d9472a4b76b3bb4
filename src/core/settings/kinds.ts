/** The kinds of settings: what may be given, what it becomes, and how it is shown. */

import { resolve } from 'node:path'
import { DURATION_FORM, type DurationInput, formatDuration, parseDuration } from '../durations.ts'
import { hideCredentials, Secret } from '../secret.ts'
import { formatSize, parseSize, SIZE_FORM, type SizeInput } from '../sizes.ts'

/** `Given` is what an option may be; a variable is always a text. `Value` is what the program gets. */
export interface Kind<Given, Value> {
  readonly name: string
  /** Goes on after "Allowed is". */
  readonly allowed: string
  /** How a value of this kind is written, where that needs saying. */
  readonly form?: string
  /** The value, or undefined when it is not allowed. */
  read(given: unknown): Value | undefined
  /** The value as a text that `read` reads back. */
  write(value: Value): string
  /** The value for people, without what is secret. */
  show(value: Value): string
  /** Only a type: what an option may be. */
  readonly given?: Given
}

interface Range {
  readonly min: number
  readonly max: number
}

export const text: Kind<string, string> = {
  name: 'text',
  allowed: 'a text',
  read: (given) => (typeof given === 'string' ? given : undefined),
  write: (value) => value,
  show: hideCredentials,
}

/** A file or folder; a relative one is taken from the working directory. */
export const path: Kind<string, string> = {
  ...text,
  name: 'path',
  allowed: 'the path of a file or folder',
  read: (given) => (typeof given === 'string' ? resolve(given) : undefined),
}

export const secret: Kind<string | Secret, Secret> = {
  name: 'secret',
  allowed: 'a text, which is never shown',
  read: (given) =>
    typeof given === 'string' ? new Secret(given) : given instanceof Secret ? given : undefined,
  write: (value) => value.reveal(),
  show: String,
}

/** An address with one of these schemes. What else it must be is known to whoever opens it. */
export function url(schemes: readonly string[]): Kind<string, string> {
  return {
    ...text,
    name: 'URL',
    allowed: `a URL that begins with ${anyOf(schemes.map((scheme) => `${scheme}:`))}`,
    read: (given) =>
      typeof given === 'string' && schemes.some((scheme) => given.startsWith(`${scheme}:`))
        ? given
        : undefined,
  }
}

export function httpUrl(): Kind<string, string> {
  const kind = url(['http', 'https'])
  return {
    ...kind,
    allowed: 'a URL such as http://127.0.0.1:4200',
    read: (given) =>
      kind.read(given) !== undefined && URL.canParse(String(given)) ? String(given) : undefined,
  }
}

/** Milliseconds inside. */
export function duration({
  min,
  max,
}: {
  min: DurationInput
  max: DurationInput
}): Kind<DurationInput, number> {
  const limits = { min: parseDuration(min), max: parseDuration(max) }
  return {
    name: 'duration',
    allowed: `a duration from ${formatDuration(limits.min)} to ${formatDuration(limits.max)}`,
    form: DURATION_FORM,
    read(given) {
      if (typeof given !== 'number' && typeof given !== 'string') return undefined
      try {
        return parseDuration(given, undefined, limits)
      } catch {
        return undefined
      }
    },
    write: formatDuration,
    show: formatDuration,
  }
}

/** Bytes inside. */
export function size({ min, max }: { min: SizeInput; max: SizeInput }): Kind<SizeInput, number> {
  const limits = { min: parseSize(min) ?? 0, max: parseSize(max) ?? 0 }
  return {
    name: 'size',
    allowed: `a size from ${formatSize(limits.min)} to ${formatSize(limits.max)}`,
    form: SIZE_FORM,
    read: (given) =>
      typeof given === 'number' || typeof given === 'string' ? within(limits, parseSize(given)) : undefined,
    write: String,
    show: formatSize,
  }
}

export function integer(limits: Range): Kind<number | string, number> {
  return {
    name: 'integer',
    allowed: `a whole number from ${limits.min} to ${limits.max}`,
    read(given) {
      const isWhole = typeof given === 'number' ? Number.isInteger(given) : /^-?\d+$/.test(wordOf(given))
      return isWhole ? within(limits, Number(given)) : undefined
    },
    write: String,
    show: String,
  }
}

const YES = ['true', 'yes', 'on', '1']
const NO = ['false', 'no', 'off', '0']

export const boolean: Kind<boolean | string, boolean> = {
  name: 'boolean',
  allowed: anyOf([...YES, ...NO]),
  read(given) {
    if (typeof given === 'boolean') return given
    const word = wordOf(given)
    if (YES.includes(word)) return true
    return NO.includes(word) ? false : undefined
  },
  write: String,
  show: String,
}

export function choice<const Word extends string>(...words: readonly Word[]): Kind<Word, Word> {
  return {
    name: 'choice',
    allowed: anyOf(words),
    read: (given) => words.find((word) => word === wordOf(given)),
    write: (value) => value,
    show: (value) => value,
  }
}

/** Texts; in a variable they are separated by commas. */
export const list: Kind<readonly string[] | string, readonly string[]> = {
  name: 'list',
  allowed: 'texts separated by commas',
  read(given) {
    const items = typeof given === 'string' ? given.split(',') : given
    if (!Array.isArray(items) || !items.every((item) => typeof item === 'string')) return undefined
    return items.map((item) => item.trim()).filter((item) => item !== '')
  },
  write: (value) => value.join(','),
  show: (value) => value.join(', '),
}

/** What is no text becomes an empty one, which no kind allows. */
function wordOf(given: unknown): string {
  return typeof given === 'string' ? given.trim().toLowerCase() : ''
}

/** `a`, `a or b`, `a, b, or c`. By hand: the first use of `Intl` costs as much as a fifth of importing Callboard. */
function anyOf(words: readonly string[]): string {
  const last = words.at(-1) ?? ''
  if (words.length < 3) return words.join(' or ')
  return `${words.slice(0, -1).join(', ')}, or ${last}`
}

function within({ min, max }: Range, value: number | undefined): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined
}
