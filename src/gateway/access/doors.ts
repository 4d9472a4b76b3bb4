/**
 * What every request passes before a route sees it.
 *
 * Invariants
 * (D1) A route that says nothing about who may use it is for `read` when it only reads, else for `admin`.
 * (D2) Refusals come before a body is read: first by address and page, then by how often, then by who asks.
 * (D3) A token that is shown counts, also where none is needed: a wrong one is refused.
 * (D4) No token is in a log, an error or an event.
 */

import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { CallboardError } from '../../core/index.ts'
import type { Keeper } from './keeper.ts'
import { isLocalAddress, isLoopback, type Names, refusalOf } from './origins.ts'
import { ANYBODY, demand, type Principal, type Scope } from './principal.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks. Before a handler runs it is somebody, except on routes for the public. */
    principal: Principal | undefined
    /** Why this page may not open a socket, on routes that tell it themselves: browsers show no page an HTTP refusal. */
    socketRefusal: string | undefined
  }
  interface FastifyContextConfig {
    /** Who may use the route; `public`: everybody, without being asked who they are. (D1) */
    scope?: Scope | 'public'
    /** It opens sockets, and closes those of `socketRefusal` with the reason. */
    closesSockets?: true
  }
}

export interface DoorOptions {
  readonly keeper: Keeper
  /** The address that the gateway listens on. */
  readonly host: string
  /** Whether nobody needs a key. */
  readonly isOpen: boolean
  /** The origins whose pages may call from a browser. */
  readonly origins: readonly string[]
  /** Requests a minute of one key, or one address without a key; 0 for no limit. */
  readonly requestsPerMinute: number
}

const READING = new Set(['GET', 'HEAD', 'OPTIONS'])
const EXPOSED = ['callboard-after', 'retry-after']

/** Puts the doors in; before any route is added. */
export async function addDoors(server: FastifyInstance, options: DoorOptions): Promise<void> {
  const { keeper, host, isOpen, origins, requestsPerMinute } = options
  const names: Names = !isOpen ? 'any' : isLoopback(host) ? 'loopback' : 'plain'
  const refused = new WeakMap<FastifyRequest, CallboardError>()
  server.decorateRequest('principal', undefined)
  server.decorateRequest('socketRefusal', undefined)

  server.addHook('onRequest', async (request, reply) => {
    const { method, headers } = request
    const { host: named, origin } = headers
    const isSocket = headers.upgrade !== undefined
    const asked = { method, isSocket, host: named, origin }
    const why = refusalOf(asked, { names, origins })
    if (why !== undefined && isSocket && request.routeOptions.config.closesSockets === true)
      request.socketRefusal = why
    else if (why !== undefined) throw new CallboardError('CB_E_FORBIDDEN', why)
    reply.header('cache-control', 'no-store')
    const token = tokenOf(headers.authorization)
    if (token !== undefined) request.principal = keeper.admit(token)
    else if (isOpen) request.principal = ANYBODY
    if (token !== undefined && request.principal === undefined) refused.set(request, unknownToken()) // (D3)
  })
  await server.register(helmet, HEADERS)
  if (origins.length > 0)
    await server.register(cors, { origin: [...origins], exposedHeaders: EXPOSED, methods: METHODS })
  if (requestsPerMinute > 0)
    await server.register(rateLimit, {
      max: requestsPerMinute,
      timeWindow: 60_000,
      cache: 10_000,
      keyGenerator: ({ principal, ip }) => (principal?.is === 'key' ? `key ${principal.name}` : ip),
      allowList: ({ principal, ip }) => principal?.is === 'anybody' && isLocalAddress(ip),
      errorResponseBuilder: (_, { ttl }) => tooOften(ttl),
    })
  // In a phase after the one that counts. (D2)
  server.addHook('preParsing', async (request) => {
    const { config } = request.routeOptions
    const refusal = refused.get(request)
    if (refusal !== undefined) throw refusal
    const scope = config.scope ?? (READING.has(request.method) ? 'read' : 'admin') // (D1)
    if (scope === 'public') return
    if (request.principal === undefined) throw noToken()
    demand(request.principal, scope)
  })
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/** The pages that the gateway serves itself need no more than this. */
const HEADERS = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", 'data:'],
      fontSrc: ["'self'"],
      connectSrc: ["'self'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
      baseUri: ["'none'"],
    },
  },
  // What stands before the gateway and speaks TLS decides about this.
  strictTransportSecurity: false,
  referrerPolicy: { policy: 'no-referrer' as const },
}

function tokenOf(header: string | undefined): string | undefined {
  const [, token] = /^Bearer +(\S+) *$/i.exec(header ?? '') ?? []
  return header === undefined ? undefined : (token ?? '')
}

function noToken(): CallboardError {
  return new CallboardError(
    'CB_E_UNAUTHENTICATED',
    'This gateway wants to know who asks. Send "Authorization: Bearer <key>"; "callboard api-key create" makes a key.',
  )
}

function unknownToken(): CallboardError {
  return new CallboardError(
    'CB_E_UNAUTHENTICATED',
    'The token is unknown, revoked, or has run out. Check which key this program uses.',
  )
}

function tooOften(retryAfterMs: number): CallboardError {
  return new CallboardError(
    'CB_E_RATE_LIMITED',
    `Too many requests. Try again in ${Math.ceil(retryAfterMs / 1_000)} s.`,
    { details: { retryAfterMs } },
  )
}
