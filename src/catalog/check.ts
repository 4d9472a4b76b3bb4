/**
 * Holds a definition against the schema of its kind, and says of everything that is wrong where it is. The validator is
 * loaded with the first definition: most who import this room never have one.
 */

import { createRequire } from 'node:module'
import type { Ajv, ErrorObject, ValidateFunction } from 'ajv'
import type { Static, TObject } from 'typebox'
import { CallboardError, type JsonValue } from '../core/index.ts'

export interface Checker<T> {
  /** With the defaults filled in. @throws CB_E_CATALOG_INVALID naming every field that is wrong */
  value(given: unknown): T
  json(value: T): JsonValue
}

let loaded: Ajv | undefined

/** @param title what people call one: "work pool" */
export function checkerOf<S extends TObject>(schema: S, title: string): Checker<Static<S>> {
  let isGood: ValidateFunction<Static<S>> | undefined
  return {
    value(given) {
      isGood ??= ajv().compile<Static<S>>(schema)
      const value: unknown = structuredClone(given)
      if (isGood(value)) return value
      const issues = (isGood.errors ?? []).map(issueOf)
      const lines = issues.map(({ path, message }) => `\n  ${path}: ${message}`).join('')
      throw new CallboardError('CB_E_CATALOG_INVALID', `This ${title} cannot be used:${lines}`, {
        details: { issues },
      })
    },
    json: (value) => JSON.parse(JSON.stringify(value)),
  }
}

function ajv(): Ajv {
  const { Ajv: Validator }: typeof import('ajv') = createRequire(import.meta.url)('ajv')
  loaded ??= new Validator({ allErrors: true, useDefaults: true, strict: false })
  return loaded
}

function issueOf({ instancePath, params, message = 'is wrong' }: ErrorObject): {
  path: string
  message: string
} {
  const at = instancePath.slice(1).replaceAll('/', '.')
  const under = (name: string) => (at === '' ? name : `${at}.${name}`)
  if (typeof params.missingProperty === 'string')
    return { path: under(params.missingProperty), message: 'is missing' }
  if (typeof params.additionalProperty === 'string')
    return { path: under(params.additionalProperty), message: 'is not known' }
  if (Array.isArray(params.allowedValues))
    return { path: at, message: `must be one of ${params.allowedValues.join(', ')}` }
  return { path: at, message }
}
