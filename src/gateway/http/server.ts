/**
 * The HTTP server under all routes: how requests are read, held against their schemas, answered and refused.
 *
 * Invariants
 * (S1) Whatever a request is, its answer is the route's or a problem document; nothing of ours is told to strangers.
 * (S2) What a route is given has passed the route's schemas: nothing unknown, nothing of another type.
 * (S3) A request that is not read within its time is over: who sends slowly holds nothing for long.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { type FastifyBaseLogger, type FastifyInstance, fastify, type RawServerDefault } from 'fastify'
import { CallboardError, type Deps, mintId, quote } from '../../core/index.ts'
import { refuseBroken } from './broken-requests.ts'
import { acceptJson } from './json-body.ts'
import { knownError, PROBLEM_TYPE, problemOf } from './problems.ts'
import { compile } from './validation.ts'

/** A server whose routes have the types of their schemas. */
export type Server = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

export interface ServerOptions {
  readonly deps: Deps
  /** Bytes of a body. */
  readonly bodyLimit: number
  /** (S3) Default 30 s; half as long again may pass before it is noticed. */
  readonly readWithinMs?: number
}

const READ_WITHIN_MS = 30_000
/** A path's part may hold any name there is, with every character escaped. */
const LONGEST_PARAM = 8_000

export function createServer({ bodyLimit, deps, readWithinMs = READ_WITHIN_MS }: ServerOptions): Server {
  const server = fastify({
    bodyLimit,
    forceCloseConnections: true,
    genReqId: () => mintId(deps),
    http: { connectionsCheckingInterval: readWithinMs / 2 },
    requestTimeout: readWithinMs,
    routerOptions: { maxParamLength: LONGEST_PARAM },
    clientErrorHandler: (error, socket) => refuseBroken(error, socket, mintId(deps)),
    frameworkErrors: (error, { id }, { raw }) => {
      const problem = problemOf(knownError(error, bodyLimit))
      raw.writeHead(problem.status, { 'content-type': PROBLEM_TYPE })
      raw.end(JSON.stringify({ ...problem, instance: id }))
    },
  }).withTypeProvider<TypeBoxTypeProvider>()
  server.server.headersTimeout = readWithinMs
  acceptJson(server)
  server.setValidatorCompiler(compile)
  // Answers are ours: their schemas are for those who read about them.
  server.setSerializerCompiler(() => (data) => JSON.stringify(data))

  server.addHook('preValidation', async (request) => {
    if (request.routeOptions.schema?.body !== undefined) request.body ??= {}
  })
  server.setErrorHandler((error, request, reply) => {
    const known = knownError(error, bodyLimit)
    const { method, id, routeOptions } = request
    if (known.status >= 500)
      deps.logger.error(
        { error, request: id, method, route: routeOptions.url },
        'a request could not be answered',
      )
    const problem = problemOf(known)
    if (problem.retryAfterMs !== undefined || known.kind === 'retryable')
      reply.header('retry-after', Math.max(1, Math.ceil((problem.retryAfterMs ?? 1_000) / 1_000)))
    if (known.code === 'CB_E_UNAUTHENTICATED') reply.header('www-authenticate', 'Bearer')
    return reply
      .code(problem.status)
      .type(PROBLEM_TYPE)
      .send({ ...problem, instance: id })
  })
  server.setNotFoundHandler((request) => {
    throw new CallboardError(
      'CB_E_ROUTE_UNKNOWN',
      `There is nothing at ${request.method} ${quote(request.url.slice(0, 200))}. /api/docs lists what there is.`,
    )
  })
  return server
}
