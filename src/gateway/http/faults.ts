/**
 * What is wrong in something that was sent, place by place, in words for people. Schema and value are walked together, so
 * that a form that may be one of several is held against the one that was meant, and each wrong place is told of once.
 */

import { type TObject, type TSchema, type TUnion, Type } from 'typebox'
import { Errors } from 'typebox/value'
import type { Fault } from '../../api/index.ts'
import { nearest } from '../../core/index.ts'

type Fields = Readonly<Record<string, unknown>>

/** Told of one value at most. */
const MOST_FAULTS = 50

/** At least one: ask of what does not fit only. */
export function faultsOf(schema: TSchema, value: unknown): Fault[] {
  const faults = faultsAt(schema, value, '').take(MOST_FAULTS).toArray()
  return faults.length > 0 ? faults : [{ path: '', message: 'is not as it should be' }]
}

function* faultsAt(schema: TSchema, value: unknown, path: string): Generator<Fault, void> {
  let isTold = false
  for (const fault of within(schema, value, path)) {
    isTold = true
    yield fault
  }
  if (!isTold) yield* ownFault(schema, value, path)
}

/** Faults of the parts of a value. */
function* within(schema: TSchema, value: unknown, path: string): Generator<Fault, void> {
  if (Type.IsUnion(schema)) yield* inUnion(schema, value, path)
  else if (Type.IsObject(schema) && isFields(value)) yield* inObject(schema, value, path)
  else if (Type.IsArray(schema) && Array.isArray(value))
    for (const [index, item] of value.entries()) yield* faultsAt(schema.items, item, under(path, `${index}`))
}

function* inObject({ properties, required }: TObject, value: Fields, path: string): Generator<Fault, void> {
  const needed: readonly string[] = required ?? []
  const missing = new Set(needed.filter((name) => !Object.hasOwn(value, name)))
  const free = Object.keys(properties).filter((name) => !Object.hasOwn(value, name))
  for (const [name, part] of Object.entries(value)) {
    const schema = Object.hasOwn(properties, name) ? properties[name] : undefined
    if (schema !== undefined) yield* faultsAt(schema, part, under(path, name))
    else {
      const meant = nearest(name, free)
      if (meant !== undefined) missing.delete(meant)
      yield unknown(under(path, name), meant)
    }
  }
  for (const name of missing) yield { path: under(path, name), message: 'is missing' }
}

function* inUnion({ anyOf }: TUnion, value: unknown, path: string): Generator<Fault, void> {
  const objects = anyOf.filter((schema) => Type.IsObject(schema))
  if (isFields(value) && objects.length > 1) return yield* inOneOf(objects, value, path)
  const meant = anyOf.find((schema) =>
    isFields(value) ? Type.IsObject(schema) : Type.IsArray(schema) === Array.isArray(value),
  )
  if (meant !== undefined && Errors(meant, value).length > 0) yield* faultsAt(meant, value, path)
}

/** The forms tell themselves apart by the names of their fields. */
function* inOneOf(forms: readonly TObject[], value: Fields, path: string): Generator<Fault, void> {
  const known = forms.flatMap(({ properties }) => Object.keys(properties))
  const names = Object.keys(value)
  const given = names.filter((name) => known.includes(name))
  const [meant, ...others] = forms.filter(({ properties }) =>
    given.some((name) => Object.hasOwn(properties, name)),
  )
  if (meant !== undefined && others.length === 0) return yield* faultsAt(meant, value, path)
  if (meant !== undefined) yield { path, message: `has ${given.join(' and ')}; give one of them` }
  else if (names.length === 0) yield { path, message: `is empty; give one of ${known.join(', ')}` }
  else for (const name of names) yield unknown(under(path, name), nearest(name, known))
}

/** Of the value itself, its parts being as they should be. */
function* ownFault(schema: TSchema, value: unknown, path: string): Generator<Fault, void> {
  if (Type.IsUnion(schema)) {
    if (Errors(schema, value).length > 0) yield { path, message: 'has none of the forms that it may have' }
    return
  }
  const [error] = Errors(Type.IsArray(schema) ? { ...schema, items: {} } : schema, value)
  if (error === undefined) return
  if (error.keyword === 'enum') yield { path, message: noneOf(error.params.allowedValues, value) }
  else if (error.keyword === 'const') yield { path, message: noneOf([error.params.allowedValue], value) }
  else yield { path, message: error.message }
}

function noneOf(allowed: readonly unknown[], value: unknown): string {
  const words = allowed.map(String)
  const meant = typeof value === 'string' ? nearest(value, words) : undefined
  return `is not ${words.length === 1 ? '' : 'one of '}${words.join(', ')}${hint(meant)}`
}

function unknown(path: string, meant: string | undefined): Fault {
  return { path, message: `is not known${hint(meant)}` }
}

function hint(meant: string | undefined): string {
  return meant === undefined ? '' : `. Did you mean ${meant}?`
}

function under(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
