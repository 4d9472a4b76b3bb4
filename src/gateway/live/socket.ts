/** The route of the live socket: from a WebSocket to a `Connection`, and the WebSocket's own troubles. */

import type { Socket } from 'node:net'
import websocket, { type WebSocket } from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import { SUBPROTOCOL } from '../../api/index.ts'
import type { Deps } from '../../core/index.ts'
import type { Keeper } from '../access/index.ts'
import type { Commands } from '../commands.ts'
import { Connection, type Wire } from './connection.ts'
import type { Live } from './live.ts'

export interface SocketOptions {
  readonly deps: Deps
  readonly commands: Pick<Commands, 'signal' | 'start'>
  readonly keeper: Keeper
  readonly live: Live
  /** Of this software. */
  readonly version: string
}

/** A frame this much larger than the limit is not even read. */
const UNREAD = 2

/** A close frame has room for 123 bytes of reason; a reason may quote what a client sent. */
const LONGEST_REASON = 100

/** How long a client may take to answer a close before the connection is cut. */
const CLOSES_WITHIN_MS = 2_000

export async function addSocket(server: FastifyInstance, options: SocketOptions): Promise<void> {
  const { deps, live } = options
  const { hub, limits, sources } = live
  await server.register(websocket, {
    options: {
      maxPayload: limits.frameBytes * UNREAD,
      // A client that names no protocol is taken as one that speaks this one.
      handleProtocols: (offered: Set<string>) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    },
  })
  server.get(
    '/api/v1/live',
    { websocket: true, config: { scope: 'public', closesSockets: true } },
    (socket, request) => {
      const wire = wireOf(socket, request.raw.socket, deps)
      const connection = new Connection(
        { ...options, hub, limits, sources, wire, address: request.ip },
        request.socketRefusal === undefined ? request.principal : undefined,
      )
      if (request.socketRefusal !== undefined) connection.close('NOT_ALLOWED', request.socketRefusal)
      const { promise: ended, resolve } = Promise.withResolvers<void>()
      socket.on('message', (data, isBinary) => {
        connection.heard()
        if (isBinary) return connection.close('NO_FRAME', 'frames are texts')
        const text = String(data)
        if (Buffer.byteLength(text) > limits.frameBytes) return connection.close('TOO_LARGE')
        void connection.received(text)
      })
      socket.on('pong', () => connection.heard())
      socket.on('error', (error) => deps.logger.debug({ error }, 'a live socket broke'))
      socket.on('close', () => {
        connection.gone()
        resolve()
      })
      live.join({ beat: () => connection.beat(), close: (why) => connection.close(why), ended })
    },
  )
}

function wireOf(socket: WebSocket, below: Socket, deps: Deps): Wire {
  let isCorked = false
  return {
    get bufferedBytes() {
      return socket.bufferedAmount
    },
    write(bytes, sent) {
      if (!isCorked) {
        // What is said in one turn leaves in one piece.
        isCorked = true
        below.cork()
        queueMicrotask(() => {
          isCorked = false
          below.uncork()
        })
      }
      socket.send(bytes, { binary: false }, sent)
    },
    close(code, reason) {
      socket.close(code, reason.replaceAll(/[^ -~]/g, '?').slice(0, LONGEST_REASON))
      const cut = deps.clock.setTimer(CLOSES_WITHIN_MS, () => socket.terminate(), { ref: false })
      socket.once('close', () => cut.cancel())
    },
    cut: () => socket.terminate(),
    ping: () => socket.ping(),
  }
}
