/**
 * The bus: core NATS, without a stream behind it. A question to nobody is answered at once by the server itself.
 *
 * Invariants
 * (B1) Values are checked and encoded here; what would be over a limit is refused before it is handed over.
 * (B2) At most `MOST_RUNNING` calls of a subscription's handler run at a time. What comes on top is dropped and logged: a
 *      sender learns of it as of any message to somebody who is too busy, by the answer that does not come.
 */

import type { Msg } from '@nats-io/transport-node'
import { CallboardError, type JsonValue, messageOf } from '../../core/index.ts'
import { checkPattern, checkSubject, encodeValue } from '../checks.ts'
import type { Bus, BusMessage, Subscription } from '../port.ts'
import { lossFailure, unavailable } from './failures.ts'
import { isNobody } from './inbox.ts'
import type { Link } from './link.ts'
import type { Names } from './names.ts'
import { isAnswered } from './requests.ts'

type Handler = (message: BusMessage) => JsonValue | undefined | Promise<JsonValue | undefined>

const DEFAULT_TIMEOUT_MS = 1_000
const MOST_RUNNING = 1_024

export function natsBus(link: Link, names: Names, limit: () => number): Bus {
  const root = names.busSubject('')

  async function publish(subject: string, value: JsonValue): Promise<void> {
    link.assertRunning()
    checkSubject(subject)
    const text = encodeValue('bus message', value, limit())
    const natsSubject = root + subject
    if (link.publish(natsSubject, text)) return
    const nc = await link.connection(`to publish to ${natsSubject}`)
    nc.publish(natsSubject, text)
  }

  async function subscribe(pattern: string, handler: Handler): Promise<Subscription> {
    link.assertRunning()
    checkPattern(pattern)
    const natsSubject = root + pattern
    const what = `to subscribe to ${natsSubject}`
    const nc = await link.connection(what)
    const gate = { stopped: false, running: 0 }
    let denied = false
    const subscription = nc.subscribe(natsSubject, {
      callback: (error, message) => {
        if (error) denied = true
        else void answer(gate, handler, message)
      },
    })
    const stop = async () => {
      gate.stopped = true
      disown()
      if (!subscription.isClosed()) subscription.unsubscribe()
    }
    const disown = link.own(stop)
    try {
      await nc.flush()
    } catch (error) {
      await stop()
      throw unavailable(what, 'the connection was lost', error)
    }
    if (!denied) return { stop }
    await stop()
    throw lossFailure('denied', what)
  }

  /** Never rejects. */
  async function answer(
    gate: { stopped: boolean; running: number },
    handler: Handler,
    message: Msg,
  ): Promise<void> {
    if (gate.stopped) return
    const subject = message.subject.slice(root.length)
    if (gate.running >= MOST_RUNNING) {
      // (B2)
      link.deps.logger.warn(
        { subject, running: gate.running },
        'a bus message was dropped: the handler is too slow',
      )
      return
    }
    gate.running++
    try {
      const value = await handler({ subject, value: JSON.parse(message.string()) })
      if (value !== undefined && message.reply) message.respond(encodeValue('answer', value, limit()))
    } catch (error) {
      link.deps.logger.error({ subject, reason: messageOf(error) }, 'a bus message was not answered')
    } finally {
      gate.running--
    }
  }

  return {
    publish,
    subscribe,
    async request(subject, value, { timeoutMs = DEFAULT_TIMEOUT_MS } = {}) {
      link.assertRunning()
      checkSubject(subject)
      const text = encodeValue('bus request', value, limit())
      const natsSubject = root + subject
      const { clock } = link.deps
      const until = clock.monotonic() + timeoutMs
      if (!link.isUp && !(await link.whenUp(until)))
        throw unavailable(`to pass on a request to ${natsSubject}`, 'there is no connection')
      const reply = await link.ask(natsSubject, text, Math.max(1, until - clock.monotonic()))
      if (!isAnswered(reply)) {
        if (reply.unanswered === 'denied' || reply.unanswered === 'stopped')
          throw lossFailure(reply.unanswered, `to pass on a request to ${natsSubject}`)
        return { outcome: 'timeout' }
      }
      if (isNobody(reply)) return { outcome: 'nobody-home' }
      return { outcome: 'reply', value: answerIn(reply) }
    },
  }
}

/** @throws CB_E_JSON */
function answerIn(reply: Msg): JsonValue {
  try {
    return JSON.parse(reply.string())
  } catch (cause) {
    throw new CallboardError(
      'CB_E_JSON',
      'The answer to a bus request is not JSON: somebody else answered.',
      { cause },
    )
  }
}
