/**
 * The hosts' half of the concurrency slots: remembers what is held and waited for, renews it, says what was given
 * back. The protocol and its invariants are in `slots.ts`.
 */

import type { Bus, Subscription } from '../broker/index.ts'
import type { Deps, Timer } from '../core/index.ts'
import { asJson } from './shape.ts'
import {
  parseSlotReply,
  SLOT_RENEW_MS,
  SLOTS_KEEPER_NEW,
  SLOTS_SUBJECT,
  type SlotDenial,
  type SlotHolder,
  type SlotRelease,
  type SlotReply,
  type SlotRequest,
  type Slots,
  type SlotWant,
} from './slots.ts'

export interface SlotsOptions {
  readonly bus: Bus
  readonly deps: Deps
  readonly worker: string
  /** A slot that was waited for is there. */
  onGranted(holder: SlotHolder): void
  /** A slot that was waited for will not come. */
  onDenied(holder: SlotHolder, denial: SlotDenial): void
  /** A slot that was held here belongs to somebody else by now: the lease had run out. */
  onLost(holder: SlotHolder): void
}

interface Claim {
  readonly want: SlotWant
  held: boolean
}

/** So that one renewal stays far below the limit of a bus message. */
const CLAIMS_PER_RENEWAL = 1_000

const keyOf = (holder: SlotHolder): string =>
  holder.task === undefined ? holder.run : `${holder.run}/${holder.task}`

const releaseOf = ({ want: { holder, rev } }: Claim): SlotRelease =>
  rev === undefined ? holder : { ...holder, upTo: rev }

export function createSlots({ bus, deps, worker, onDenied, onGranted, onLost }: SlotsOptions): Slots {
  const claims = new Map<string, Claim>()
  /** By run, so that the end of a run costs nothing for those without slots. */
  const runs = new Map<string, Set<string>>()
  let unsaid: SlotRelease[] = []
  let timer: Timer | undefined
  let subscription: Promise<Subscription | undefined> | undefined
  let stopped = false

  function forget(holder: SlotHolder): Claim | undefined {
    const key = keyOf(holder)
    const claim = claims.get(key)
    claims.delete(key)
    const keys = runs.get(holder.run)
    keys?.delete(key)
    if (keys?.size === 0) runs.delete(holder.run)
    return claim
  }

  function take(holder: SlotHolder): boolean {
    const claim = claims.get(keyOf(holder))
    if (claim === undefined) return false
    if (!claim.held) {
      claim.held = true
      onGranted(holder)
    }
    return true
  }

  async function ask(request: SlotRequest): Promise<SlotReply | undefined> {
    try {
      const reply = await bus.request(SLOTS_SUBJECT, asJson(request))
      return reply.outcome === 'reply' ? parseSlotReply(reply.value) : undefined
    } catch (error) {
      deps.logger.debug({ error, op: request.op }, 'the keeper of slots could not be asked')
      return undefined
    }
  }

  async function sayReleases(): Promise<void> {
    if (unsaid.length === 0) return
    const holders = unsaid
    unsaid = []
    const reply = await ask({ op: 'release', holders })
    if (reply?.is !== 'released' && !stopped)
      unsaid.push(...holders.filter((holder) => !claims.has(keyOf(holder))))
  }

  /** `isAsked`: a new keeper wants to hear from everybody, also from those who have nothing. */
  async function renew(isAsked = false): Promise<void> {
    await sayReleases()
    const all = [...claims.values()]
    for (let from = 0; from < all.length || (isAsked && from === 0); from += CLAIMS_PER_RENEWAL) {
      const some = all.slice(from, from + CLAIMS_PER_RENEWAL)
      const reply = await ask({
        op: 'renew',
        worker,
        holds: some.filter((claim) => claim.held).map((claim) => claim.want),
        waits: some.filter((claim) => !claim.held).map((claim) => claim.want),
        more: from + CLAIMS_PER_RENEWAL < all.length,
      })
      if (reply?.is !== 'renewed') continue
      for (const holder of reply.granted) take(holder)
      for (const denied of reply.denied ?? [])
        if (forget(denied.holder) !== undefined) onDenied(denied.holder, denied)
      for (const holder of reply.lost) if (forget(holder) !== undefined) onLost(holder)
    }
  }

  function arm(): void {
    timer = deps.clock.setTimer(
      SLOT_RENEW_MS,
      () => {
        void renew().finally(() => {
          if (!stopped) arm()
        })
      },
      { ref: false },
    )
  }

  return {
    start() {
      arm()
      const asked = bus.subscribe(SLOTS_KEEPER_NEW, () => {
        void renew(true)
        return undefined
      })
      subscription = asked.catch((error) => {
        deps.logger.debug({ error }, 'the keeper of slots cannot be heard; renewals tell it in time')
        return undefined
      })
    },
    async stop() {
      stopped = true
      timer?.cancel()
      await (await subscription)?.stop()
      for (const claim of claims.values()) unsaid.push(releaseOf(claim))
      claims.clear()
      runs.clear()
      await sayReleases()
    },
    async acquire(want) {
      const key = keyOf(want.holder)
      const claim: Claim = claims.get(key) ?? { want, held: false }
      if (claim.held) return { is: 'granted' }
      claims.set(key, claim)
      const keys = runs.get(want.holder.run)
      if (keys) keys.add(key)
      else runs.set(want.holder.run, new Set([key]))
      const reply = await ask({ op: 'acquire', worker, want })
      // (S3) No answer is no grant; released meanwhile, the answer is for nobody.
      if (reply?.is === 'granted' && claims.get(key) === claim) claim.held = true
      if (reply?.is === 'denied') forget(want.holder)
      if (claim.held) return { is: 'granted' }
      return reply?.is === 'denied' ? reply : { is: 'queued' }
    },
    granted: take,
    release(holder) {
      const claim = forget(holder)
      if (claim === undefined) return
      unsaid.push(releaseOf(claim))
      deps.clock.defer(() => void sayReleases())
    },
    forget: (holder) => void forget(holder),
    releaseRun(run) {
      for (const key of [...(runs.get(run) ?? [])]) {
        const claim = claims.get(key)
        if (claim) this.release(claim.want.holder)
      }
    },
  }
}
