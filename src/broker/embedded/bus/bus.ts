/** The port's `Bus` for one broker object. */

import { CallboardError, isCallboardError } from '../../../core/index.ts'
import { checkPattern, checkSubject, encodeValue } from '../../checks.ts'
import { type Bus, type BusMessage, LIMITS, type RequestOutcome } from '../../port.ts'
import type { Seat } from '../seat.ts'
import type { Listener, RemoteAnswer, Switchboard } from './switchboard.ts'

type Handler = Parameters<Bus['subscribe']>[1]

const DEFAULT_TIMEOUT_MS = 1_000
/** Messages that wait at one listener, or whose handler has not settled. */
const MOST_AT_A_LISTENER = 16_384
/** Questions of this broker that wait for an answer. */
const MOST_ASKED = 16_384

export function embeddedBus(seat: Seat, board: Switchboard): Bus {
  let asked = 0

  return {
    async publish(subject, value) {
      checkSubject(subject)
      board.publish(subject, encodeMessage(subject, value))
      // The listeners' turns were armed before this one: who awaits each publish never fills a buffer.
      await seat.turn()
    },

    async subscribe(pattern, handler) {
      checkPattern(pattern)
      const listener = listenerOf(seat, pattern, handler)
      const unlisten = board.listen(pattern, listener)
      const end = () => {
        listener.end()
        unlisten()
      }
      const disown = seat.own(end)
      return {
        async stop() {
          end()
          disown()
        },
      }
    },

    async request(subject, value, options) {
      checkSubject(subject)
      const body = encodeMessage(subject, value)
      if (asked >= MOST_ASKED)
        throw new CallboardError(
          'CB_E_BUSY',
          `${asked} requests wait for an answer already. Try again after a moment.`,
        )
      asked++
      try {
        return await ask(seat, board, subject, body, options?.timeoutMs ?? DEFAULT_TIMEOUT_MS)
      } finally {
        asked--
      }
    },
  }
}

function encodeMessage(subject: string, value: BusMessage['value']): string {
  return encodeValue(`message for '${subject}'`, value, LIMITS.busMessage)
}

/** Asks, and gives up after `timeoutMs` or when the broker stops. */
function ask(
  seat: Seat,
  board: Switchboard,
  subject: string,
  body: string,
  timeoutMs: number,
): Promise<RequestOutcome> {
  return new Promise((resolve, reject) => {
    let cancel = () => {}
    const end = () => {
      timer.cancel()
      cancel()
      disown()
    }
    const settle = (outcome: RequestOutcome) => {
      end()
      seat.turn().then(() => resolve(outcome))
    }
    const giveUp = () => settle({ outcome: 'timeout' })
    const timer = seat.deps.clock.setTimer(timeoutMs, giveUp)
    const disown = seat.own(giveUp)
    try {
      cancel = board.ask(subject, body, (answer) => settle(outcomeOf(answer)))
    } catch (error) {
      end()
      reject(error)
    }
  })
}

function outcomeOf(answer: RemoteAnswer): RequestOutcome {
  return answer.is === 'nobody'
    ? { outcome: 'nobody-home' }
    : { outcome: 'reply', value: JSON.parse(answer.body) }
}

function listenerOf(seat: Seat, pattern: string, handler: Handler): Listener & { end(): void } {
  const { logger } = seat.deps
  let load = 0
  let ended = false

  /** Its answer; undefined when there is none, or none that can be sent. */
  async function answer(subject: string, body: string): Promise<string | undefined> {
    await seat.turn()
    if (ended) return undefined
    const value = await handler({ subject, value: JSON.parse(body) })
    return value === undefined ? undefined : encodeValue(`answer to '${subject}'`, value, LIMITS.busMessage)
  }

  return {
    get full() {
      return load >= MOST_AT_A_LISTENER
    },
    async deliver(subject, body) {
      if (load >= MOST_AT_A_LISTENER) {
        logger.warn({ subject, pattern }, 'a listener has too many messages waiting; one was dropped')
        return undefined
      }
      load++
      try {
        return await answer(subject, body)
      } catch (error) {
        const what = isCallboardError(error) ? 'its answer cannot be sent' : 'it threw'
        logger.error({ error, subject, pattern }, `a listener of the bus answers nothing: ${what}`)
        return undefined
      } finally {
        load--
      }
    },
    end() {
      ended = true
    },
  }
}
