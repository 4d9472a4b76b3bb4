/** The bus behind a wire that fails: messages lost, doubled, late or out of order; answers that never come. */

import type { Bus, BusMessage, RequestOutcome } from '../../broker/index.ts'
import type { JsonValue } from '../../core/index.ts'
import { asItIs, type Gate } from './gate.ts'
import { makeLine } from './line.ts'

type Handler = Parameters<Bus['subscribe']>[1]

export function faultyBus(inner: Bus, gate: Gate): Bus {
  /** What the real subscription calls. While the wire is cut messages are lost: they are sent at most once. */
  function handOn(handler: Handler, ending: AbortSignal) {
    const line = makeLine(gate, ending)
    return (message: BusMessage): JsonValue | undefined | Promise<JsonValue | undefined> => {
      if (!gate.is('open') || ending.aborted) return undefined
      const fault = gate.decide('bus.message', message.subject)
      if (fault?.kind === 'crash-before') gate.crash()
      if (fault?.kind === 'lose-before' || gate.is('dead')) return undefined
      const answer = line.join(fault, () => {
        const first = handler(message)
        // The answer to the second is one too many; whoever asked has the first.
        if (fault?.kind === 'double') void (async () => handler(message))().catch(() => {})
        return first
      })
      if (fault?.kind === 'crash-after') gate.crash()
      if (fault?.kind === 'lose-after' || gate.is('dead')) {
        void Promise.resolve(answer).catch(() => {})
        return undefined
      }
      return answer
    }
  }

  return {
    publish(subject, value) {
      const given = asItIs(value)
      return gate.call('bus.publish', subject, {
        async perform(fault) {
          await inner.publish(subject, given)
          if (fault?.kind === 'double') await inner.publish(subject, given)
        },
        // Whoever publishes does not learn that nobody heard it.
        lost: () => {},
        patienceMs: gate.callTimeoutMs,
      })
    },
    subscribe: (pattern, handler) =>
      gate.ask('bus.subscribe', pattern, async () => {
        const ending = new AbortController()
        const subscription = await inner.subscribe(pattern, handOn(handler, ending.signal))
        return {
          stop() {
            ending.abort()
            return gate.shield(subscription.stop())
          },
        }
      }),
    request(subject, value, options) {
      const given = asItIs(value)
      return gate.call<RequestOutcome>('bus.request', subject, {
        async perform(fault) {
          if (fault?.kind === 'deny') return { outcome: 'nobody-home' }
          if (fault?.kind === 'double') void inner.request(subject, given, options).catch(() => {})
          return inner.request(subject, given, options)
        },
        lost: () => ({ outcome: 'timeout' }),
        patienceMs: gate.callTimeoutMs,
      })
    },
  }
}
