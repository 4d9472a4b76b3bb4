/**
 * The keeper of concurrency slots: the book (`book.ts`) on the bus. There is one, in the scheduler that holds partition
 * 0; its protocol is in `actors/slots.ts`.
 *
 * Invariants
 * (K1) What the book says is told after the answer was made, and never held up by whom it is told to.
 * (K2) A grant that nobody takes goes to the next in line.
 * (K3) A new keeper grants nothing before every worker that was alive has renewed, or one lease has passed.
 * (K4) Two keepers for a moment (a holder that lost its lease and has not noticed) can grant twice at worst until the
 *      first notices: slots bound load, they guard nothing that the log does not guard.
 */

import {
  applyToRun,
  asJson,
  judgeFlow,
  parseRunReply,
  parseSlotRequest,
  runAddress,
  SLOT_LEASE_MS,
  SLOTS_KEEPER_NEW,
  SLOTS_SUBJECT,
  type SlotHolder,
  type SlotReply,
  type SlotRequest,
  sendSignal,
} from '../../actors/index.ts'
import type { Broker, BusMessage, KvChange, KvWatch, Rev, Subscription } from '../../broker/index.ts'
import { assertNever, type Deps, type JsonValue, type SteadyClock, type Timer } from '../../core/index.ts'
import { SlotBook, type SlotEvent, type Verdict } from './book.ts'
import { watchCatalogLimits } from './catalog-limits.ts'
import { LIMITS_BUCKET, parseLimit } from './limit.ts'
import { answerReset, SLOTS_RESET_SUBJECT } from './reset.ts'

export interface KeeperOptions {
  readonly time: SteadyClock
  /** Workers that have a lease now. */
  readonly workers: () => ReadonlySet<string>
  /** Whether the lease that makes this the keeper counts, right now. */
  readonly isOurs: () => boolean
}

const LOOK_AGAIN_MS = 1_000
const SOONEST_WAKE_MS = 5

export class SlotKeeper {
  readonly #broker: Broker
  readonly #deps: Deps
  readonly #options: KeeperOptions
  readonly #book: SlotBook
  /** Of the workers alive at the beginning, those that have not said what they hold (K3). */
  #unheard: Set<string> | undefined
  /** Names by key: a key that goes does not say which limit it was. */
  readonly #names = new Map<string, string>()
  #watches: Pick<KvWatch, 'stop'>[] = []
  #subscriptions: Subscription[] = []
  #timer: Timer | undefined
  #isStopped = false

  constructor(broker: Broker, deps: Deps, options: KeeperOptions) {
    this.#broker = broker
    this.#deps = deps
    this.#options = options
    this.#book = new SlotBook({
      leaseMs: SLOT_LEASE_MS,
      grantFrom: this.#now() + SLOT_LEASE_MS,
      draw: () => deps.random.next(),
    })
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    this.#unheard = new Set(this.#options.workers())
    if (this.#unheard.size === 0) this.#book.endGrace(this.#now())
    const limits = await this.#broker.kv.bucket(LIMITS_BUCKET, { ttlMs: 0 })
    const watch = await limits.watch('', (change) => this.#limitChanged(change))
    this.#watches.push(watch)
    await watch.caughtUp
    this.#watches.push(await this.#watchCatalog())
    const { bus } = this.#broker
    this.#subscriptions.push(await bus.subscribe(SLOTS_SUBJECT, (message) => this.#answer(message)))
    this.#subscriptions.push(await bus.subscribe(SLOTS_RESET_SUBJECT, (message) => this.#reset(message)))
    if (this.#isStopped) return this.stop()
    this.#arm()
    await bus.publish(SLOTS_KEEPER_NEW, {})
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    await Promise.all(this.#subscriptions.splice(0).map((each) => each.stop()))
    await Promise.all(this.#watches.splice(0).map((each) => each.stop()))
  }

  /** The worker is dead: its slots are free at once. */
  workerLost(worker: string): void {
    this.#unheard?.delete(worker)
    this.#book.workerLost(worker, this.#now())
    this.#settle()
  }

  /** How much is held and waited for. */
  get counts(): { readonly holders: number; readonly waiters: number } {
    return { holders: this.#book.holders, waiters: this.#book.waiters }
  }

  #now(): number {
    return this.#deps.clock.monotonic()
  }

  #answer({ value }: BusMessage): JsonValue | undefined {
    const request = parseSlotRequest(value)
    if (request === undefined || this.#isStopped || !this.#options.isOurs()) return undefined
    const reply = this.#serve(request)
    this.#deps.clock.defer(() => this.#settle()) // (K1)
    return reply === undefined ? undefined : asJson(reply)
  }

  #reset({ value }: BusMessage): JsonValue | undefined {
    if (this.#isStopped || !this.#options.isOurs()) return undefined
    const reply = answerReset(this.#book, value, this.#now())
    this.#deps.logger.info({ request: value, reply }, 'somebody asked to reset a concurrency limit')
    this.#deps.clock.defer(() => this.#settle()) // (K1)
    return reply
  }

  #serve(request: SlotRequest): SlotReply | undefined {
    const now = this.#now()
    switch (request.op) {
      case 'acquire':
        return replyOf(this.#book.acquire(request.want, request.worker, now))
      case 'release':
        this.#book.release(request.holders, now)
        return { is: 'released' }
      case 'renew': {
        const renewal = this.#book.renew(request.worker, request.holds, request.waits, now)
        if (request.more !== true) this.#unheard?.delete(request.worker)
        return { is: 'renewed', ...renewal }
      }
      default:
        return assertNever(request)
    }
  }

  /** Tells whom it concerns what the book has decided, and sees when it has to look again. */
  #settle(): void {
    if (this.#isStopped) return
    this.#checkGrace()
    for (const event of this.#book.events()) {
      this.#tell(event).catch((error) => {
        this.#deps.logger.warn(
          { ...event, error },
          'a decision about slots could not be told; its lease will settle it',
        )
      })
    }
    this.#arm()
  }

  /** (K3) */
  #checkGrace(): void {
    if (this.#unheard === undefined) return
    const alive = this.#options.workers()
    for (const worker of this.#unheard) if (!alive.has(worker)) this.#unheard.delete(worker)
    if (this.#unheard.size > 0) return
    this.#unheard = undefined
    this.#book.endGrace(this.#now())
  }

  #arm(): void {
    this.#timer?.cancel()
    const wake = Math.max(SOONEST_WAKE_MS, this.#book.nextWake(this.#now()) ?? LOOK_AGAIN_MS)
    this.#timer = this.#deps.clock.setTimer(
      Math.min(wake, LOOK_AGAIN_MS),
      () => {
        this.#book.tick(this.#now())
        this.#settle()
      },
      { ref: false },
    )
  }

  async #tell(event: SlotEvent): Promise<void> {
    if (event.is === 'granted') return this.#offer(event.holder, event.rev)
    const { holder, limit } = event
    await sendSignal(this.#broker, this.#deps, holder.run, {
      name: 'cancel',
      key: `slots/${limit}/${holder.task ?? ''}/${this.#now()}`,
      by: { channel: 'scheduler' },
      message: `A newer run takes its slot of the concurrency limit "${limit}".`,
    })
  }

  /** (K2) */
  async #offer(holder: SlotHolder, rev: Rev): Promise<void> {
    const message = asJson({ op: 'slots-granted', holder })
    const reply = await this.#broker.bus.request(runAddress(holder.run), message)
    if (reply.outcome === 'timeout') return // it may have heard; if not, it does not renew
    const said = reply.outcome === 'reply' ? parseRunReply(reply.value) : undefined
    // Somebody is just trying to claim the run. Its host, if there is one, has heard it as well.
    if (said?.outcome === 'elsewhere' && holder.task !== undefined) return
    const isTaken = said?.outcome === 'slots' ? said.taken : await this.#offerToLog(holder)
    if (isTaken || this.#isStopped) return
    this.#book.release([{ ...holder, upTo: rev }], this.#now())
    this.#settle()
  }

  /** Nobody hosts it: a run that waits for a worker goes on from its log; a task run is gone with its host. */
  async #offerToLog({ run, task }: SlotHolder): Promise<boolean> {
    if (task !== undefined) return false
    const granted = judgeFlow({ type: 'SLOT_GRANTED', at: this.#options.time.now() })
    const { outcome } = await applyToRun(this.#broker, this.#deps, run, granted)
    return outcome === 'applied'
  }

  /** Pools, work queues and deployments have limits too. */
  #watchCatalog(): Promise<Pick<KvWatch, 'stop'>> {
    return watchCatalogLimits(this.#broker, this.#deps, {
      set: (limit) => {
        this.#book.setLimit({ ...limit, active: true }, this.#now())
        this.#settle()
      },
      drop: (name) => {
        this.#book.dropLimit(name, this.#now())
        this.#settle()
      },
    })
  }

  #limitChanged(change: KvChange): void {
    const now = this.#now()
    const { key } = change.kind === 'put' ? change.entry : change
    try {
      const limit = change.kind === 'put' ? parseLimit(change.entry.value) : undefined
      const before = this.#names.get(key)
      if (before !== undefined && before !== limit?.name) this.#book.dropLimit(before, now)
      if (limit === undefined) this.#names.delete(key)
      else {
        this.#names.set(key, limit.name)
        this.#book.setLimit(limit, now)
      }
      this.#settle()
    } catch (error) {
      this.#deps.logger.error({ key, error }, 'a concurrency limit is defined wrongly; it stays as it was')
    }
  }
}

/** Nothing is answered to what cannot be said yet: for whoever asks, that is as if there were no keeper. */
function replyOf(verdict: Verdict): SlotReply | undefined {
  return verdict.is === 'unsettled' ? undefined : verdict
}
