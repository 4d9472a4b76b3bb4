/**
 * Speaks to the keeper of slots for runs that wait for a slot without a host, or were granted one and are in their
 * queue: hosts speak for the runs they have, the holder of a partition for the others. Repeated at every renewal, so
 * that neither a keeper's end nor a lost word leaves anybody waiting for ever.
 */

import {
  applyToRun,
  asJson,
  judgeFlow,
  parseSlotReply,
  SLOTS_SUBJECT,
  type SlotHolder,
  type SlotReply,
  type SlotWant,
  sendSignal,
} from '../../actors/index.ts'
import type { Broker } from '../../broker/index.ts'
import type { Deps, SteadyClock } from '../../core/index.ts'
import { type Gate, settled } from '../limiter.ts'
import type { Partition } from '../partition.ts'
import type { RunRow } from '../run-row.ts'

export interface WishesEdge {
  readonly broker: Broker
  readonly deps: Deps
  readonly time: SteadyClock
  readonly gate: Gate
  /** By which the keeper knows who speaks. */
  readonly id: string
  /** Those we act for. */
  readonly partitions: () => Iterable<Partition>
}

/** So that one renewal stays far below the limit of a bus message. */
const AT_ONCE = 1_000
const TELLINGS_AT_ONCE = 32

type Wish = { readonly want: SlotWant; readonly isHeld: boolean }

/** One renewal of everything wished for. Never rejects. */
export async function renewWishes(edge: WishesEdge): Promise<void> {
  const wishes = [...wishesOf(edge.partitions())]
  for (let from = 0; from < wishes.length; from += AT_ONCE) {
    const some = wishes.slice(from, from + AT_ONCE)
    try {
      const reply = await ask(edge, some, from + AT_ONCE < wishes.length)
      if (reply?.is === 'renewed') await heed(edge, reply)
    } catch (error) {
      edge.deps.logger.debug({ error }, 'the keeper of slots could not be asked; it is asked again')
    }
  }
}

function* wishesOf(partitions: Iterable<Partition>): Iterable<Wish> {
  for (const { table } of partitions) {
    for (const row of table.rows()) {
      if (row.isGranted) yield { want: wantOf(row), isHeld: true }
      else if (row.tag === 'SCHEDULED.AwaitingConcurrencySlot') yield { want: wantOf(row), isHeld: false }
    }
  }
}

function wantOf({ id, limits, since, rev }: RunRow): SlotWant {
  return { holder: { run: id }, limits, since, rev }
}

async function ask(
  { broker, id }: WishesEdge,
  wishes: readonly Wish[],
  more: boolean,
): Promise<SlotReply | undefined> {
  const of = (isHeld: boolean) => wishes.filter((wish) => wish.isHeld === isHeld).map(({ want }) => want)
  const request = asJson({ op: 'renew', worker: id, holds: of(true), waits: of(false), more })
  const reply = await broker.bus.request(SLOTS_SUBJECT, request)
  return reply.outcome === 'reply' ? parseSlotReply(reply.value) : undefined
}

/** What was lost is of no matter: the run asks for it again when it is claimed. */
async function heed(edge: WishesEdge, reply: Extract<SlotReply, { is: 'renewed' }>): Promise<void> {
  const { broker, deps, time, gate } = edge
  await settled(reply.granted, TELLINGS_AT_ONCE, ({ run }: SlotHolder) =>
    quietly(edge, run, () =>
      gate.pass(() => applyToRun(broker, deps, run, judgeFlow({ type: 'SLOT_GRANTED', at: time.now() }))),
    ),
  )
  // One that can never be served waits on: whoever made the limit too small may make it larger again.
  const refused = (reply.denied ?? []).filter(({ code }) => code === undefined)
  await settled(refused, TELLINGS_AT_ONCE, ({ holder, limit, reason }) =>
    quietly(edge, holder.run, () =>
      sendSignal(broker, deps, holder.run, {
        name: 'cancel',
        key: `slots/${limit}/denied`,
        by: { channel: 'scheduler' },
        message: `The concurrency limit "${limit}" does not let it in: ${reason}.`,
      }),
    ),
  )
}

async function quietly({ deps }: WishesEdge, run: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    deps.logger.warn({ run, error }, 'a run could not be told about its slot; it is told again')
  }
}
