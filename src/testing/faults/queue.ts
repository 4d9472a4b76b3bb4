/**
 * Queues behind a wire that fails. An item delivered twice looks like one whose claim has expired: it comes again
 * from a later claim of this connection, with the next delivery number.
 */

import type { Claimed, Queue } from '../../broker/index.ts'
import { asItIs, type Gate, never } from './gate.ts'

export function faultyQueue(inner: Queue, gate: Gate): Queue {
  /** Items that will come a second time. */
  const ghosts: Claimed[] = []

  const wrap = (claimed: Claimed): Claimed => ({
    ...claimed,
    ack: () => gate.ask('queue.ack', claimed.id, () => claimed.ack()),
    release: () => gate.ask('queue.release', claimed.id, () => claimed.release()),
  })

  function handOut(items: readonly Claimed[]): Claimed[] {
    for (const claimed of items) {
      if (gate.decide('queue.item', claimed.id)?.kind === 'double')
        ghosts.push({ ...claimed, delivery: claimed.delivery + 1, release: async () => {} })
    }
    return items.map(wrap)
  }

  function takeGhosts(queues: readonly string[], max: number): Claimed[] {
    const taken: Claimed[] = []
    for (let i = 0; i < ghosts.length && taken.length < max; ) {
      const ghost = ghosts[i]
      if (ghost && queues.includes(ghost.queue)) taken.push(...ghosts.splice(i, 1))
      else i++
    }
    return taken.map(wrap)
  }

  async function claim(
    queues: readonly string[],
    max: number,
    signal: AbortSignal,
  ): Promise<readonly Claimed[]> {
    if (gate.is('stopped')) return inner.claim(queues, max, signal)
    for (;;) {
      if (gate.is('dead')) return never()
      if (gate.is('stopped')) return []
      if (gate.is('cut') && !(await gate.passes(0, signal)) && signal.aborted) return []
      const again = signal.aborted ? [] : takeGhosts(queues, max)
      if (again.length > 0) return again
      const fault = gate.is('open') ? gate.decide('queue.claim', queues.join(',')) : undefined
      if (fault?.kind === 'crash-before') gate.crash()
      if (fault?.kind === 'cut') gate.cutByPlan()
      if (fault?.kind === 'delay') await gate.passes(fault.delayMs, signal)
      // A claim that never arrived is made again, as any client does.
      if (fault?.kind === 'lose-before') await gate.passes(gate.silenceMs, signal)
      if (!gate.is('open')) continue
      // A claim that waits is given up when the wire breaks, and made anew when it is whole.
      const { unbroken } = gate
      const items = await inner.claim(queues, max, AbortSignal.any([signal, unbroken]))
      if (fault?.kind === 'crash-after' && items.length > 0) gate.crash()
      if (gate.is('dead')) return never()
      // What was on the way when the wire broke, or was lost, reaches nobody and comes again when its claim expires.
      if (items.length > 0 && fault?.kind !== 'lose-after' && !unbroken.aborted) return handOut(items)
      if (signal.aborted || gate.is('stopped') || (items.length === 0 && !unbroken.aborted)) return []
    }
  }

  return {
    enqueue(queue, item, options) {
      const given = asItIs(item)
      return gate.ask('queue.enqueue', queue, () => inner.enqueue(queue, given, options))
    },
    claim,
    depth: (queue) => gate.ask('queue.depth', queue, () => inner.depth(queue)),
  }
}
