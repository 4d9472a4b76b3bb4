/**
 * What a person or program hands to a waiting run, held against the JSON schema the run asked for (2020-12).
 * The validator is loaded when it is first needed, so that importing the room stays cheap.
 */

import { createRequire } from 'node:module'
import type { Ajv2020, ErrorObject, ValidateFunction } from 'ajv/dist/2020.js'
import { isJsonObject, type JsonObject, type JsonValue, messageOf } from '../core/index.ts'
import type { InputRequest, ValueRef } from './events.ts'
import type { Issue } from './judgement.ts'

export type InputVerdict =
  /** With the defaults filled in. */
  | { readonly is: 'good'; readonly value: ValueRef }
  | { readonly is: 'bad'; readonly reason: string; readonly issues: readonly Issue[] }

/** Compiled schemas kept, by their text. */
const KEPT_SCHEMAS = 100

const compiled = new Map<string, ValidateFunction>()
let loaded: Ajv2020 | undefined

/** Holds an input against what was asked for. Nothing given counts as an object without fields. */
export function checkInput(request: InputRequest, given: ValueRef | undefined): InputVerdict {
  if (given !== undefined && 'object' in given)
    return bad('The input is too large to be checked against the schema.', [
      { path: 'input', message: `has ${given.bytes} bytes` },
    ])
  let validate: ValidateFunction
  try {
    validate = validatorOf(request.schema)
  } catch (thrown) {
    return bad(`The schema of the input cannot be used: ${messageOf(thrown)}.`, [])
  }
  const value = withDefaults(request, given?.v)
  if (validate(value)) return { is: 'good', value: { v: value } }
  return bad('The input is not what was asked for.', (validate.errors ?? []).map(issueOf))
}

function bad(reason: string, issues: readonly Issue[]): InputVerdict {
  return { is: 'bad', reason, issues }
}

/** A copy: the validator fills in the schema's own defaults. */
function withDefaults({ defaults = {} }: InputRequest, given: JsonValue | undefined): JsonValue {
  const value = given === undefined ? defaults : isJsonObject(given) ? { ...defaults, ...given } : given
  return structuredClone(value)
}

function issueOf({ instancePath, params, message = 'is wrong' }: ErrorObject): Issue {
  const missing: unknown = params.missingProperty
  const extra: unknown = params.additionalProperty ?? params.unevaluatedProperty
  const steps = instancePath.split('/').slice(1).map(unescaped)
  if (typeof missing === 'string') return { path: pathOf([...steps, missing]), message: 'is missing' }
  if (typeof extra === 'string') return { path: pathOf([...steps, extra]), message: 'is not asked for' }
  return { path: pathOf(steps), message }
}

function unescaped(step: string): string {
  return step.replaceAll('~1', '/').replaceAll('~0', '~')
}

function pathOf(steps: readonly string[]): string {
  return ['input', ...steps].join('.')
}

function validatorOf(schema: JsonObject): ValidateFunction {
  const text = JSON.stringify(schema)
  const known = compiled.get(text)
  if (known !== undefined) return known
  loaded ??= load()
  const ajv = loaded
  try {
    const validate = ajv.compile(schema)
    compiled.set(text, validate)
    for (const oldest of compiled.keys()) {
      if (compiled.size <= KEPT_SCHEMAS) break
      compiled.delete(oldest)
    }
    return validate
  } finally {
    ajv.removeSchema(schema) // else it keeps every schema it ever saw, and refuses a second one of the same $id
  }
}

function load(): Ajv2020 {
  const require = createRequire(import.meta.url)
  const { Ajv2020: Validator }: typeof import('ajv/dist/2020.js') = require('ajv/dist/2020.js')
  const { default: addFormats }: typeof import('ajv-formats') = require('ajv-formats')
  const ajv = new Validator({ allErrors: true, logger: false, strict: false, useDefaults: true })
  addFormats.default(ajv)
  return ajv
}
