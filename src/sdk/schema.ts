/** Standard Schema, as any library that follows it offers it (Zod, Valibot, ArkType, …), and what we do with it. */

import type { InputRequest } from '../actors/index.ts'
import { CallboardError, isJsonObject, type JsonObject, type JsonValue, quote } from '../core/index.ts'

/** The interface of standardschema.dev, version 1, with the optional part that gives JSON Schema. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
    readonly jsonSchema?:
      | { readonly input: (options: { readonly target: 'draft-2020-12' }) => Record<string, unknown> }
      | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** What goes into a schema, before defaults and coercion. */
export type InputOf<S> = S extends StandardSchema<infer Input, unknown> ? Input : never
/** What comes out of it. */
export type OutputOf<S> = S extends StandardSchema<infer _, infer Output> ? Output : never

export function isStandardSchema(value: unknown): value is StandardSchema {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    '~standard' in value &&
    typeof value['~standard'] === 'object'
  )
}

/**
 * The value as the schema makes it: defaults filled in, coerced.
 *
 * @param what names it in the message: `The parameters of flow 'weather'`
 * @throws CB_E_PARAMETERS_INVALID with every issue and its path
 */
export async function validate<Output>(
  schema: StandardSchema<unknown, Output>,
  value: unknown,
  what: string,
): Promise<Output> {
  const result = await schema['~standard'].validate(value)
  if (result.issues === undefined) return result.value
  const issues = result.issues.map(({ message, path = [] }) => ({ path: pathOf(path), message }))
  const listed = issues.map(({ path, message }) => `\n  ${path === '' ? '(the whole)' : path}: ${message}`)
  throw new CallboardError('CB_E_PARAMETERS_INVALID', `${what} are not valid.${listed.join('')}`, {
    details: { issues },
  })
}

/** `items[3].name` */
function pathOf(path: readonly (PropertyKey | { readonly key: PropertyKey })[]): string {
  return path
    .map((step) => (typeof step === 'object' ? step.key : step))
    .reduce<string>((text, key) => {
      if (typeof key === 'number') return `${text}[${key}]`
      return text === '' ? String(key) : `${text}.${String(key)}`
    }, '')
}

/** What a person is asked for: a schema, a JSON Schema, or one plain value. */
export type AskedInput =
  | StandardSchema
  | JsonObject
  | StringConstructor
  | NumberConstructor
  | BooleanConstructor

/** The type of the answer. */
export type Answered<I> = I extends StringConstructor
  ? string
  : I extends NumberConstructor
    ? number
    : I extends BooleanConstructor
      ? boolean
      : I extends StandardSchema<infer _, infer Output>
        ? Output
        : unknown

const PLAIN: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  [String, 'string'],
  [Number, 'number'],
  [Boolean, 'boolean'],
])

/** As it stands in the log: checked by the run before a resume is accepted. */
export function inputRequestOf(asked: AskedInput, description?: string): InputRequest {
  return { schema: jsonSchemaOf(asked), ...(description === undefined ? {} : { description }) }
}

function jsonSchemaOf(asked: AskedInput): JsonObject {
  const plain = PLAIN.get(asked)
  if (plain !== undefined)
    return { type: 'object', properties: { value: { type: plain } }, required: ['value'] }
  if (!isStandardSchema(asked)) return plainSchema(asked)
  // Without one the run cannot check the input itself; the code does, when it gets it.
  return (parametersSchemaOf(asked) ?? {}) as JsonObject
}

/** Undefined for what refers to itself. */
function asJson(value: object): JsonValue | undefined {
  try {
    return JSON.parse(JSON.stringify(value))
  } catch {
    return undefined
  }
}

/** @throws CB_E_OPTION_INVALID */
function plainSchema(asked: unknown): JsonObject {
  const isPlain =
    typeof asked === 'object' && asked !== null && Object.getPrototypeOf(asked) === Object.prototype
  const said = isPlain ? asJson(asked) : undefined
  if (isJsonObject(said)) return said
  throw new CallboardError(
    'CB_E_OPTION_INVALID',
    `What is asked for is ${quote(asked)}. Give a schema, a JSON Schema, or String, Number or Boolean.`,
    { details: { option: 'input' } },
  )
}

/** What a schema takes, as JSON Schema, when it can say so. */
export function parametersSchemaOf(
  schema: StandardSchema<unknown, unknown>,
): Record<string, unknown> | undefined {
  const json = schema['~standard'].jsonSchema?.input({ target: 'draft-2020-12' })
  if (json === undefined) return undefined
  const { $schema: _dialect, ...rest } = json
  return rest
}

/** What the code gets for an answer: parsed by the schema, unwrapped when it was a plain value. */
export async function answerOf(asked: AskedInput | undefined, value: unknown): Promise<unknown> {
  if (asked === undefined) return value
  if (PLAIN.has(asked))
    return typeof value === 'object' && value !== null && 'value' in value ? value.value : value
  return isStandardSchema(asked) ? validate(asked, value, 'The values of the input') : value
}
