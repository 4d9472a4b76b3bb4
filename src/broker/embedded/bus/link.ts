/**
 * A connection this process has dialled to another one. Over it this process speaks (messages, questions) and the
 * other one only answers; what the other one wants to say comes over a connection that it dials itself. So two
 * processes that find each other at the same moment have two connections, and neither is one too many.
 *
 * Invariants
 * (G1) Every question ends once: with an answer, with `nobody`, or, when the connection ends, as if by `nobody`.
 * (G2) A process that has not welcomed this one in time hangs: until it does, it is asked nothing, so that nobody
 *      waits for its answers.
 * (G3) What waits to be sent is bounded: a process that does not read is cut off.
 */

import { connect } from 'node:net'
import type { Clock } from '../../../core/index.ts'
import { encodeFrame, type Frame, frameReader, type Head, PROTOCOL } from './frames.ts'
import type { RemoteAnswer } from './switchboard.ts'

/** More than this unsent means that the other process does not read. */
export const MOST_UNSENT_BYTES = 8 * 1024 * 1024

const WELCOME_TIMEOUT_MS = 500

export interface LinkEvents {
  /** It has welcomed this process, or hangs. */
  greeted(): void
  ended(how: LinkEnd, why: string): void
}

/** Nobody listens there any more; it was there and is not now; or this side would not go on with it. */
export type LinkEnd = 'refused' | 'lost' | 'cut'

export interface Link {
  readonly hangs: boolean
  /** Hands a message to the other process; it may still be greeting, or hang. */
  send(subject: string, body: string): void
  /** Puts a question; returns its number. */
  ask(subject: string, body: string, onEnd: (answer: RemoteAnswer) => void): number
  /** The answer to this question is of no interest any more. */
  forget(question: number): void
  close(): void
}

type Phase = { is: 'greeting' } | { is: 'hanging' } | { is: 'welcomed' } | { is: 'ended' }

export function dial(
  socketPath: string,
  self: { readonly id: string; readonly socket: string },
  events: LinkEvents,
  clock: Clock,
): Link {
  const questions = new Map<number, (answer: RemoteAnswer) => void>()
  let asked = 0
  let phase: Phase = { is: 'greeting' }
  let how: LinkEnd = 'lost'
  let why = 'the connection was closed'
  const socket = connect(socketPath)

  function put(head: Head, body?: string): void {
    if (phase.is === 'ended') return
    socket.write(encodeFrame(head, body))
    if (socket.writableLength > MOST_UNSENT_BYTES) cut('it does not read what is sent to it')
  }

  function cut(reason: string): void {
    how = 'cut'
    why = reason
    socket.destroy()
  }

  function received({ head, body }: Frame): void {
    if (head.is === 'welcome') becomeGreeted('welcomed')
    else if (head.is === 'answer') settle(head.number, { is: 'answer', body })
    else if (head.is === 'nobody') settle(head.number, { is: 'nobody' })
  }

  function becomeGreeted(is: 'welcomed' | 'hanging'): void {
    if (phase.is === 'ended') return
    phase = { is }
    patience.cancel()
    events.greeted()
  }

  function settle(question: number, answer: RemoteAnswer): void {
    const onEnd = questions.get(question)
    questions.delete(question)
    onEnd?.(answer)
  }

  function end(): void {
    if (phase.is === 'ended') return
    phase = { is: 'ended' }
    patience.cancel()
    for (const question of questions.keys()) settle(question, { is: 'nobody' })
    events.ended(how, why)
  }

  const read = frameReader(received)
  const patience = clock.setTimer(WELCOME_TIMEOUT_MS, () => becomeGreeted('hanging'))
  socket.on('data', (piece) => {
    try {
      read(piece)
    } catch (error) {
      cut(String(error))
    }
  })
  socket.on('error', (error) => {
    why = error.message
    if ('code' in error && (error.code === 'ECONNREFUSED' || error.code === 'ENOENT')) how = 'refused'
  })
  socket.on('close', end)
  put({ is: 'hello', protocol: PROTOCOL, id: self.id, socket: self.socket })

  return {
    get hangs() {
      return phase.is === 'hanging'
    },
    send: (subject, body) => put({ is: 'message', subject }, body),
    ask(subject, body, onEnd) {
      const number = ++asked
      questions.set(number, onEnd)
      put({ is: 'question', number, subject }, body)
      return number
    },
    forget: (question) => void questions.delete(question),
    close: () => socket.destroy(),
  }
}
