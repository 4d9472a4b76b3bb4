/**
 * The twin of a run's subscription for those who only listen: server-sent events. The same events with the same cursors;
 * a client that comes again says with `Last-Event-ID` which one it had.
 */

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { LiveKind, LogLevel, RunId } from '../../api/index.ts'
import type { Clock, Deps } from '../../core/index.ts'
import { ANYBODY, demandRun, type Keeper } from '../access/index.ts'
import type { LiveLimits } from './limits.ts'
import type { Live, Member } from './live.ts'
import { Outbox } from './outbox.ts'
import { RunSubscription } from './run-subscription.ts'
import type { SharedEvent } from './shared-event.ts'
import type { Voice } from './voice.ts'

export interface StreamOptions {
  readonly deps: Deps
  readonly keeper: Keeper
  readonly live: Live
}

const Params = Type.Object({ id: RunId })
const Query = Type.Object(
  {
    /** Repeated for several. Default: all. */
    kinds: Type.Optional(Type.Union([LiveKind, Type.Array(LiveKind, { minItems: 1 })])),
    /** As in `subscribe`; `Last-Event-ID` goes before it. */
    after: Type.Optional(Type.String({ minLength: 1, maxLength: 2_000 })),
    level: Type.Optional(LogLevel),
  },
  { additionalProperties: false },
)

/** Clients that lose the stream come again after this. Milliseconds. */
const COME_AGAIN_MS = 1_000

export function addStream(server: FastifyInstance, options: StreamOptions): void {
  server.withTypeProvider<TypeBoxTypeProvider>().get(
    '/api/v1/flow-runs/:id/events',
    {
      config: { scope: 'read' },
      schema: {
        summary: 'Everything that happens to a run, as it happens (server-sent events)',
        tags: ['flow-runs'],
        params: Params,
        querystring: Query,
      },
    },
    async (request, reply) => {
      const { deps, live } = options
      const { hub, limits, sources } = live
      const { id } = request.params
      const { kinds, after, level } = request.query
      const lastId = request.headers['last-event-id']
      const from = (typeof lastId === 'string' && lastId !== '' ? lastId : after) ?? 'tail'
      if (request.principal !== undefined) demandRun(request.principal, id, sources.runs.facts(id))
      const stream = new Stream(reply, limits, deps.clock)
      const subscription = new RunSubscription(id, {
        clock: deps.clock,
        limits,
        sources,
        hub,
        voice: stream.voice,
        wants: { kinds: kinds === undefined ? undefined : new Set([kinds].flat()), level },
      })
      // A refusal is an ordinary answer: nothing of the stream was said before it.
      await subscription.open(from)
      // A browser that comes again at the end of a run that is over is told not to.
      if (stream.isOver && !stream.hasBegun) return reply.code(204).send()
      stream.begin()
      live.join(stream)
      const forget = options.keeper.whenOver(request.principal ?? ANYBODY, () => stream.close())
      stream.ended.then(() => {
        forget()
        subscription.close()
      })
      return reply
    },
  )
}

/** One response that stays open. */
class Stream implements Member {
  readonly voice: Voice
  readonly ended: Promise<void>
  readonly #reply: FastifyReply
  readonly #outbox: Outbox
  #hasBegun = false
  #isOver = false
  #unmoved = 0

  constructor(reply: FastifyReply, limits: LiveLimits, clock: Clock) {
    const { raw } = reply
    this.#reply = reply
    this.ended = new Promise((resolve) => raw.once('close', resolve))
    this.#outbox = new Outbox(
      {
        get bufferedBytes() {
          return raw.writableLength
        },
        write: (bytes, sent) => {
          this.begin()
          raw.write(bytes, () => {
            this.#unmoved = 0
            sent()
          })
        },
      },
      limits,
      clock,
    )
    this.ended.then(() => this.#outbox.close())
    this.voice = this.#speak()
  }

  get hasBegun(): boolean {
    return this.#hasBegun
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** The head, once. */
  begin(): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    const { raw } = this.#reply
    this.#reply.hijack()
    raw.writeHead(200, {
      ...definedHeaders(this.#reply),
      'content-type': 'text/event-stream; charset=utf-8',
      'x-accel-buffering': 'no',
    })
    raw.write(`retry: ${COME_AGAIN_MS}\n\n`)
  }

  /** Nobody answers on a stream; one whose bytes have not moved for two beats has nobody at its other end. */
  beat(): void {
    const { raw } = this.#reply
    this.#unmoved++
    if (raw.writableLength === 0) this.#outbox.say(Buffer.from(': still here\n\n'))
    else if (this.#unmoved > 2) raw.destroy()
  }

  close(): void {
    this.#outbox.close()
    this.#reply.raw.end()
  }

  #speak(): Voice {
    const outbox = this.#outbox
    const write = (event: SharedEvent) => event.forStream()
    const say = (event: string, id: string, data: object) =>
      outbox.say(Buffer.from(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`))
    return {
      // Whoever goes on from a cursor has what holds there, and may be told that there is no more.
      begun: (cursor, snapshot) => snapshot && say('subscribed', cursor, { cursor, snapshot }),
      event: (lane, event) => outbox.tell(lane, event, write),
      gap: (gap, snapshot) => say('gap', gap.to, { ...gap, snapshot }),
      end: (lane, cursor) => {
        outbox.keep(lane)
        this.#isOver = true
        if (!this.#hasBegun && outbox.isFlowing) return
        say('end', cursor, { cursor })
        outbox.ready().then(() => this.close())
      },
      broken: () => this.close(),
      get isReady() {
        return outbox.isFlowing
      },
      ready: () => outbox.ready(),
      forget: (lane) => outbox.forget(lane),
    }
  }
}

function definedHeaders(reply: FastifyReply): Record<string, number | string | string[]> {
  const headers: Record<string, number | string | string[]> = {}
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) headers[name] = value
  return headers
}
