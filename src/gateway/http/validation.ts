/** Holds the parts of a request against the schemas of their route, and says of what is wrong where it is. */

import { registerAjvFormats } from '@fastify/type-provider-typebox'
import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { Convert } from 'typebox/value'
import { faultsOf } from './faults.ts'
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
export const compile: FastifySchemaCompiler<TSchema> = ({ httpPart = 'body', schema }) => {
  let checker: Validator | undefined
  const where = PARTS[httpPart] ?? 'body'
  return (data) => {
    checker ??= Compile(schema)
    const value = httpPart === 'body' ? data : Convert(schema, data)
    return checker.Check(value) ? { value } : { error: invalidAt(where, faultsOf(schema, value)) }
  }
}
