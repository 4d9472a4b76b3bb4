/** The log behind a wire that fails: appends of which nobody knows, batches that come late or in pieces. */

import type { AppendOutcome, Entry, Following, Log } from '../../broker/index.ts'
import { type Gate, shielded } from './gate.ts'

export function faultyLog(inner: Log, gate: Gate): Log {
  const unknown = (cause: unknown): AppendOutcome => ({ outcome: 'unknown', cause })
  const { ask } = gate

  const write = (
    operation: 'log.append' | 'log.archive',
    subject: string,
    perform: () => Promise<AppendOutcome>,
  ) => gate.call(operation, subject, { perform, lost: unknown, patienceMs: gate.settleMs })

  /** What the real following calls: hands batches on when the wire lets them pass, for as long as anybody lives. */
  function handOn(handler: (entries: readonly Entry[]) => void | Promise<void>, ending: AbortSignal) {
    const hand = async (batch: readonly Entry[]) => {
      const fault = gate.decide('log.batch', batch[0]?.subject ?? '')
      const middle = Math.ceil(batch.length / 2)
      const pieces =
        fault?.kind === 'split' && batch.length > 1 ? [batch.slice(0, middle), batch.slice(middle)] : [batch]
      if (fault?.kind === 'crash-before') gate.crash()
      for (const piece of pieces) {
        if (!(await gate.passes(fault?.kind === 'delay' ? fault.delayMs : 0, ending))) return
        await handler(piece)
      }
      if (fault?.kind === 'crash-after') gate.crash()
    }
    return (batch: readonly Entry[]) => gate.untilDeath(hand(batch))
  }

  async function follow(...[filter, from, handler, options]: Parameters<Log['follow']>): Promise<Following> {
    const ending = new AbortController()
    const following = await inner.follow(filter, from, handOn(handler, ending.signal), options)
    const [caughtUp, ended] = [gate.shield(following.caughtUp), gate.shield(following.ended)]
    for (const promise of [caughtUp, ended]) promise.catch(() => {})
    return {
      caughtUp,
      ended,
      stop() {
        ending.abort()
        return gate.shield(following.stop())
      },
    }
  }

  return {
    append(subject, records, options) {
      const given = [...records]
      return write('log.append', subject, () => inner.append(subject, given, options))
    },
    archive(subject, records, options) {
      const given = [...records]
      return write('log.archive', subject, () => inner.archive(subject, given, options))
    },
    last: (subject) => ask('log.last', subject, () => inner.last(subject)),
    async *read(subject, options) {
      await ask('log.read', subject, async () => {})
      yield* shielded(gate, inner.read(subject, options))
    },
    follow: (...args) => ask('log.follow', '', () => follow(...args)),
    end: () => ask('log.end', '', () => inner.end()),
    compare: (a, b) => inner.compare(a, b),
  }
}
