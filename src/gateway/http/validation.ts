/** Holds the parts of a request against the schemas of their route, and says of what is wrong where it is. */

import { registerAjvFormats, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import type { Fault } from '../../api/index.ts'
import { isJsonObject, type JsonValue } from '../../core/index.ts'
import { invalidAt } from './problems.ts'

registerAjvFormats()

const PARTS: Readonly<Record<string, string>> = {
  body: 'body',
  headers: 'headers',
  params: 'path',
  querystring: 'query',
}

/**
 * Texts of paths and queries become what their schema asks for; a body is taken as it is. A schema is compiled when it is
 * first needed: a gateway that has just started has better things to do.
 */
export const compile: FastifySchemaCompiler<TSchema> = (route) => {
  let check: ReturnType<typeof TypeBoxValidatorCompiler> | undefined
  const where = PARTS[route.httpPart ?? ''] ?? 'body'
  return (data) => {
    check ??= TypeBoxValidatorCompiler(route)
    const checked = check(data)
    if (typeof checked === 'boolean' || !('error' in checked) || checked.error === undefined) return checked
    return { error: invalidAt(where, faultsOf(checked.error)) }
  }
}

interface Finding {
  readonly keyword: string
  readonly schemaPath: string
  readonly path: string
  readonly message: string
  /** Fields that nobody knows. */
  readonly unknown: readonly string[]
  readonly missing: readonly string[]
}

/** Of several findings about one thing, the one that people understand. */
export function faultsOf(errors: unknown): Fault[] {
  const findings = (Array.isArray(errors) ? errors : []).map(findingOf)
  const unions = findings
    .filter(({ keyword }) => keyword === 'anyOf')
    .map(({ schemaPath }) => `${schemaPath}/anyOf`)
  return findings
    .filter(
      ({ keyword, schemaPath }) =>
        keyword !== 'boolean' && !unions.some((union) => schemaPath.startsWith(union)),
    )
    .flatMap(({ keyword, message, missing, path, unknown }) => {
      const under = (name: string) => (path === '' ? name : `${path}.${name}`)
      if (unknown.length > 0) return unknown.map((name) => ({ path: under(name), message: 'is not known' }))
      if (missing.length > 0) return missing.map((name) => ({ path: under(name), message: 'is missing' }))
      return [{ path, message: keyword === 'anyOf' ? 'has none of the forms that it may have' : message }]
    })
}

function findingOf(error: JsonValue): Finding {
  const { instancePath, keyword, message, params, schemaPath } = isJsonObject(error) ? error : {}
  const { additionalProperties, requiredProperties } = isJsonObject(params) ? params : {}
  return {
    keyword: String(keyword),
    schemaPath: String(schemaPath),
    path: pathOf(String(instancePath)),
    message: String(message),
    unknown: textsOf(additionalProperties),
    missing: textsOf(requiredProperties),
  }
}

/** `/tags/0` → `tags.0` */
function pathOf(pointer: string): string {
  return pointer.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~')
}

function textsOf(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((text) => typeof text === 'string') : []
}
