/** A broker whose log a gateway reads slowly: some entries at once, the rest when the test says so. */

import type { Broker, Log } from '../../../src/broker/index.ts'

/** So many batches are handed on before a gateway has begun; whoever has more in its log holds it up after these. */
export const READ_AT_ONCE = 24

export function readSlowly(broker: Broker): { readonly slow: Broker; readOn(): void } {
  const gate = Promise.withResolvers<void>()
  let read = 0
  const follow: Log['follow'] = (filter, from, handler, options) =>
    broker.log.follow(
      filter,
      from,
      async (entries) => {
        for (const entry of entries) {
          if (++read > READ_AT_ONCE) await gate.promise
          await handler([entry])
        }
      },
      options,
    )
  return { slow: { ...broker, log: { ...broker.log, follow } }, readOn: () => gate.resolve() }
}
