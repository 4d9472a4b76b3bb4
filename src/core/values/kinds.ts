/**
 * The kinds of objects that have a tag of their own, and the look-up from an object or a tag to its kind. Tags are the
 * broker's format: never changed, only added to.
 */

import { types } from 'node:util'
import { binaryKinds, bufferKind } from './binary-kinds.ts'
import { errorKind } from './error-kind.ts'
import { Fault } from './fault.ts'
import { type Kind, kind, listPayload, malformed, textPayload } from './kind.ts'

const KINDS: readonly Kind[] = [
  ...binaryKinds,
  errorKind,
  kind({
    tag: 'Date',
    is: types.isDate,
    pack: (date) => (Number.isNaN(date.getTime()) ? null : date.toISOString()),
    unpack(payload) {
      if (payload === null) return new Date(Number.NaN)
      const date = new Date(textPayload('Date', payload))
      return Number.isNaN(date.getTime()) ? malformed('Date', 'a date') : date
    },
  }),
  kind({
    tag: 'Map',
    step: '.entries()',
    is: (value): value is Map<unknown, unknown> => types.isMap(value),
    pack: (map, encode) => encode([...map]),
    unpack: (payload, decode) =>
      new Map(
        listPayload('Map', payload).map((entry) => {
          const [key, value] = listPayload('Map', entry)
          if (key === undefined || value === undefined) return malformed('Map', 'pairs')
          return [decode(key), decode(value)]
        }),
      ),
  }),
  kind({
    tag: 'RegExp',
    is: types.isRegExp,
    pack: (pattern) => [pattern.source, pattern.flags],
    unpack(payload) {
      const [source, flags] = listPayload('RegExp', payload)
      try {
        return new RegExp(textPayload('RegExp', source ?? null), textPayload('RegExp', flags ?? null))
      } catch (error) {
        return malformed('RegExp', 'a pattern that this version of Node can read', error)
      }
    },
  }),
  kind({
    tag: 'Set',
    step: '.values()',
    is: (value): value is Set<unknown> => types.isSet(value),
    pack: (set, encode) => encode([...set]),
    unpack: (payload, decode) => new Set(listPayload('Set', payload).map(decode)),
  }),
  kind({
    tag: 'URL',
    is: (value) => value instanceof URL,
    pack: (url) => url.href,
    unpack: (payload) => URL.parse(textPayload('URL', payload)) ?? malformed('URL', 'a URL'),
  }),
]

const BY_TAG: ReadonlyMap<string, Kind> = new Map(KINDS.map((each) => [each.tag, each]))

export function kindOfTag(tag: string): Kind | undefined {
  return BY_TAG.get(tag)
}

/** The kind that an object, neither plain nor a list, most likely is of; its `pack` makes sure. */
export function kindOf(value: object): Kind | undefined {
  if (Buffer.isBuffer(value)) return bufferKind
  return BY_TAG.get(className(value)) ?? (value instanceof Error ? errorKind : undefined)
}

function className(value: object): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1)
}

const ADVICE: ReadonlyMap<string, string> = new Map([
  ['AsyncGenerator', 'Collect what it yields into a list first.'],
  ['Generator', 'Spread it into a list first.'],
  ['SharedArrayBuffer', 'Copy what is in it into an ArrayBuffer.'],
  ['WeakMap', 'Hand over a Map.'],
  ['WeakRef', 'Hand over what it refers to.'],
  ['WeakSet', 'Hand over a Set.'],
])

/**
 * Refuses instances whose data cannot be seen from outside: written as plain objects they would be `{}`.
 *
 * @throws Fault
 */
export function refuseHidden(value: object): void {
  const name = className(value)
  const advice = ADVICE.get(name)
  if (advice !== undefined) throw new Fault(`is a ${name}, which cannot be stored. ${advice}`)
  if ('then' in value && typeof value.then === 'function')
    throw new Fault('is a promise, which cannot be stored. Await it first.')
  if ('toJSON' in value || Object.keys(value).length > 0) return
  const shown = name === 'Object' ? String(value.constructor?.name) : name
  throw new Fault(
    `is an instance of ${shown}, whose data cannot be seen from outside. Hand over plain data, or give it a toJSON method.`,
  )
}
