/**
 * Performs what records ask for outside their run: queue items, words to hosts, parents and children, slots.
 *
 * Invariants
 * (E1) Everything here may be done twice: items are known by the effect's id, signals by a key made of it, the rest
 *      are hints. So whoever wrote the record may act at once, and two holders may overlap.
 * (E2) It is tried until it is done, or until the partition is not ours any more; then its next holder does it,
 *      because no checkpoint has passed it by.
 */

import {
  asJson,
  enqueueRun,
  openRun,
  parseSlotReply,
  parseTag,
  runAddress,
  type Signal,
  SLOTS_SUBJECT,
  sendSignal,
} from '../actors/index.ts'
import type { Broker, Rev } from '../broker/index.ts'
import { assertNever, type Deps, isRetryable, sleep } from '../core/index.ts'
import type { Outward, RunTable } from './table.ts'

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2_000

/** The partition that an effect belongs to. */
export interface Home {
  readonly table: RunTable
  /** Whether it is (still) ours to act for. */
  readonly isOurs: () => boolean
}

export class Performer {
  readonly #broker: Broker
  readonly #deps: Deps

  constructor(broker: Broker, deps: Deps) {
    this.#broker = broker
    this.#deps = deps
  }

  /** Whether there is anything to do for this effect, as the table stands. What is not worth it is never missed. */
  isDue({ id, run, parent, effect }: Outward, { table }: Pick<Home, 'table'>): boolean {
    switch (effect.do) {
      case 'enqueue': {
        const asked = table.get(run)?.asked
        return asked?.id === id && !asked.done
      }
      case 'tell-children':
        return table.childrenOf(run).length > 0
      case 'tell-parent':
        return parent !== null && table.get(parent) !== undefined
      case 'heed-parent':
        return table.get(run) !== undefined
      case 'release-slots':
      case 'nudge-host':
        return true
      default:
        return assertNever(effect)
    }
  }

  /** Never rejects (E2). */
  async perform(outward: Outward, home: Home): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; home.isOurs(); pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        return await this.#try(outward, home)
      } catch (error) {
        const facts = { id: outward.id, effect: outward.effect.do, error }
        // A broker that is away says so itself, once.
        const level = isRetryable(error) ? 'debug' : 'warn'
        this.#deps.logger[level](facts, 'an effect could not be performed; it is tried again')
        await sleep(this.#deps.clock, pauseMs, undefined, { ref: false })
      }
    }
  }

  async #try(outward: Outward, { table }: Home): Promise<void> {
    if (!this.isDue(outward, { table })) return
    const { id, run, rev, parent, task, effect } = outward
    switch (effect.do) {
      case 'enqueue': {
        await enqueueRun(this.#broker.queue, { run }, effect.target, id)
        const asked = table.get(run)?.asked
        if (asked?.id === id) asked.done = true
        return
      }
      case 'release-slots':
        return this.#release(run, rev, effect.task ?? task)
      case 'tell-children':
        await Promise.all(table.childrenOf(run).map((child) => this.#tell(child, effect.signal, id, run)))
        return
      case 'tell-parent':
        return this.#broker.bus.publish(runAddress(parent ?? ''), { op: 'child-ended', child: run })
      case 'heed-parent':
        if (await this.#isCancelled(parent ?? '', table)) await this.#tell(run, 'cancel', id, parent ?? '')
        return
      case 'nudge-host':
        return this.#broker.bus.publish(runAddress(run), { op: 'nudge' })
      default:
        return assertNever(effect)
    }
  }

  /** As the parent's host would. */
  async #tell(run: string, name: Signal['name'], key: string, parent: string): Promise<void> {
    const signal: Signal = { name, key, by: { channel: 'parent', principal: parent }, timeoutMs: null }
    const answer = await sendSignal(this.#broker, this.#deps, run, signal)
    this.#deps.logger.debug({ run, signal: name, outcome: answer.outcome }, 'a child run was told')
  }

  /** Nobody keeps slots: then nobody holds this one either, once the next keeper asks. */
  async #release(run: string, rev: Rev, task: string | undefined): Promise<void> {
    const holder = { run, ...(task === undefined ? {} : { task }), upTo: rev - 1 }
    const reply = await this.#broker.bus.request(SLOTS_SUBJECT, asJson({ op: 'release', holders: [holder] }))
    if (
      reply.outcome === 'timeout' ||
      (reply.outcome === 'reply' && parseSlotReply(reply.value)?.is !== 'released')
    )
      throw new Error('the keeper of slots has not said that they are free')
  }

  async #isCancelled(run: string, table: RunTable): Promise<boolean> {
    const tag = table.get(run)?.tag ?? (await openRun(this.#broker, this.#deps, run))?.state.tag
    const type = tag === undefined ? undefined : parseTag(tag).type
    return type === 'CANCELLING' || type === 'CANCELLED'
  }
}
