/**
 * A gateway's live side in memory, as the protocol has it: a line of events of one run, given from a cursor on, over
 * sockets that a test can cut. Time is virtual, so a test sees every wait.
 */

import type {
  ClientFrame,
  EventFrame,
  RunSnapshot,
  ServerFrame,
  SubscribeFrame,
} from '../../../src/api/index.ts'
import type { LiveSocket, Platform } from '../../../src/client/platform.ts'
import { seededRandom, type VirtualClock, virtualClock } from '../../../src/core/index.ts'

export const RUN = '01run'
const AT = '2026-01-01T00:00:00.000Z'

/** As the gateway sees one connection. */
export interface Connection {
  readonly received: ClientFrame[]
  say(frame: ServerFrame): void
  /** Ends it as a gateway would, or as a network does (1006). */
  end(code: number, reason?: string): void
  readonly isOpen: boolean
  /** Under which number its subscription runs; cleared by an unsubscribe. */
  subscribed: { readonly sub: number; given: number } | undefined
}

export interface StandIn {
  readonly clock: VirtualClock
  readonly platform: Platform
  readonly connections: Connection[]
  /** The newest one. */
  readonly now: Connection
  hide(isHidden: boolean): void
  /** Adds a line to the run's log and gives it to who has subscribed. */
  line(message: string): void
  /** The run is over. */
  finish(): void
  /** What a new connection is answered: nothing, a hello, or an end. Default `hello`. */
  answers: 'hello' | 'silence' | { readonly code: number }
  /** Said by the gateway to requests; undefined leaves them unanswered. */
  replies: ((frame: ClientFrame) => ServerFrame | undefined) | undefined
  /** So many subscriptions are answered that it is too early for them, before one is begun. */
  early: number
  /** Frames of a subscription after which the connection is cut, again and again. */
  cutAfter: number | undefined
}

export function snapshot(): RunSnapshot {
  const run: RunSnapshot['run'] = {
    id: RUN,
    name: 'brave-otter',
    flow: 'weather',
    state: { type: 'RUNNING', name: 'Running', timestamp: AT, details: {} },
    tags: [],
    queue: 'default',
    createdAt: AT,
    createdBy: { channel: 'test' },
    expectedStartTime: AT,
    runCount: 1,
    recoveryCount: 0,
    totalRunMs: 0,
    taskRuns: {},
    legalSignals: ['cancel'],
    rev: 1,
  }
  return { run, taskRuns: [] }
}

export function standIn(): StandIn {
  const clock = virtualClock()
  const random = seededRandom(7)
  const lookers = new Set<() => void>()
  const lines: string[] = []
  let isHidden = false
  let isOver = false

  const gateway: StandIn = {
    clock,
    connections: [],
    answers: 'hello',
    replies: undefined,
    early: 0,
    cutAfter: undefined,
    get now() {
      const newest = gateway.connections.at(-1)
      if (newest === undefined) throw new Error('Nobody has connected.')
      return newest
    },
    platform: {
      monotonic: () => clock.monotonic(),
      random: () => random.next(),
      setTimer(ms, fn) {
        const timer = clock.setTimer(ms, fn)
        return () => timer.cancel()
      },
      fetch: () => Promise.reject(new Error('The stand-in has no REST.')),
      openSocket: () => connect(),
      isHidden: () => isHidden,
      onVisibility(listener) {
        lookers.add(listener)
        return () => lookers.delete(listener)
      },
      origin: 'http://gateway.test',
    },
    hide(hidden) {
      isHidden = hidden
      for (const look of lookers) look()
    },
    line(message) {
      lines.push(message)
      for (const connection of gateway.connections) give(connection)
    },
    finish() {
      isOver = true
      for (const connection of gateway.connections) give(connection)
    },
  }

  function connect(): LiveSocket {
    let isOpen = true
    const outgoing: ServerFrame[] = []
    const socket: LiveSocket = {
      onopen: null,
      onmessage: null,
      onclose: null,
      send(text) {
        if (!isOpen) throw new Error('Sent on a closed socket.')
        const frame = JSON.parse(text)
        connection.received.push(frame)
        clock.defer(() => isOpen && answer(connection, frame))
      },
      close() {
        isOpen = false
      },
    }
    const connection: Connection = {
      received: [],
      subscribed: undefined,
      get isOpen() {
        return isOpen
      },
      say(frame) {
        if (outgoing.push(frame) > 1) return
        clock.defer(() => {
          for (const said of outgoing.splice(0))
            if (isOpen) socket.onmessage?.({ data: JSON.stringify(said) })
        })
      },
      end(code, reason = '') {
        if (!isOpen) return
        isOpen = false
        clock.defer(() => socket.onclose?.({ code, reason }))
      },
    }
    gateway.connections.push(connection)
    const { answers } = gateway
    clock.defer(() => {
      if (!isOpen) return
      socket.onopen?.()
      if (typeof answers === 'object') connection.end(answers.code)
      else if (answers === 'hello') connection.say({ op: 'hello', version: '1', heartbeatMs: 15_000 })
    })
    return socket
  }

  function answer(connection: Connection, frame: ClientFrame): void {
    if (frame.op === 'subscribe') begin(connection, frame)
    else if (frame.op === 'unsubscribe') connection.subscribed = undefined
    else {
      const reply = gateway.replies?.(frame)
      if (reply !== undefined) connection.say(reply)
    }
  }

  function begin(connection: Connection, { id, after = 'tail' }: SubscribeFrame): void {
    if (gateway.early > 0) {
      gateway.early--
      const error = { code: 'CB_E_BUSY', message: 'It is still reading the log.', retryable: true } as const
      connection.say({ op: 'reply', id, ok: false, error })
      return
    }
    const from = after === 'start' ? 0 : after === 'tail' ? lines.length : Number(after)
    connection.say({ op: 'subscribed', id, sub: id, cursor: String(from), snapshot: snapshot() })
    connection.subscribed = { sub: id, given: from }
    give(connection)
  }

  /** What has not been given, until the connection is cut. */
  function give(connection: Connection): void {
    const { subscribed } = connection
    if (subscribed === undefined || !connection.isOpen) return
    let count = 0
    while (subscribed.given < lines.length) {
      const index = subscribed.given++
      connection.say(lineFrame(subscribed.sub, index, lines[index] ?? ''))
      if (++count === gateway.cutAfter) return void clock.defer(() => connection.end(1006))
    }
    if (isOver) connection.say({ op: 'end', sub: subscribed.sub, cursor: String(lines.length) })
  }

  return gateway
}

function lineFrame(sub: number, index: number, message: string): EventFrame {
  const data = { id: String(index), run: RUN, timestamp: AT, level: 'info', message } as const
  return { op: 'event', sub, cursor: String(index + 1), at: AT, kind: 'log', run: RUN, data }
}
