/** Work from the queues, as there is room for it: each item claimed, served, and acknowledged or given back. */

import type { Claimed, Queue } from '../broker/index.ts'
import { type Deps, isRetryable, sleep } from '../core/index.ts'
import type { Claim } from './claim.ts'
import { parseQueueItem, type QueueItem } from './effects.ts'

export interface ClaimLoopOptions {
  readonly queue: Queue
  readonly deps: Deps
  /** In the order in which they are served, to begin with. */
  readonly queues: readonly string[]
  /** How many more runs may be claimed now; 0 or less for none. */
  room(): number
  /** `not-now`: nothing may begin here at the moment. */
  claim(work: QueueItem): Promise<Claim['is'] | 'not-now'>
  /** An item is not delivered any more. */
  gaveUp(work: QueueItem): Promise<void>
}

/** How long an item that cannot be served here is kept from coming straight back. */
const REFUSED_PAUSE_MS = 1_000
/** After so many deliveries an item is given up; whoever it is of knows of it and enqueues it again. */
const MAX_DELIVERIES = 10
const RETRY_PAUSE_MS = 1_000

export class ClaimLoop {
  readonly #options: ClaimLoopOptions
  readonly #stopping = new AbortController()
  readonly #serving = new Set<Promise<void>>()
  #queues: readonly string[]
  /** Ends the claim that waits for work. */
  #claiming = new AbortController()
  #wake: (() => void) | undefined
  #loop: Promise<void> | undefined

  constructor(options: ClaimLoopOptions) {
    this.#options = options
    this.#queues = options.queues
  }

  get queues(): readonly string[] {
    return this.#queues
  }

  /** Takes work from these from now on. What was claimed before is served all the same. */
  serve(queues: readonly string[]): void {
    this.#queues = queues
    this.#claiming.abort()
    this.wake()
  }

  start(): void {
    this.#loop = this.#run()
  }

  /** There may be room now. */
  wake(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  /** Claims nothing more; resolves when what was claimed is served. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#claiming.abort()
    this.wake()
    await this.#loop
    await Promise.all(this.#serving)
  }

  async #run(): Promise<void> {
    const { deps, queue, room } = this.#options
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const max = room() - this.#serving.size
      if (max <= 0 || this.#queues.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        continue
      }
      try {
        this.#claiming = new AbortController()
        for (const item of await queue.claim(this.#queues, max, this.#claiming.signal)) this.#take(item)
      } catch (error) {
        if (signal.aborted) return
        deps.logger.warn({ error }, 'no work can be claimed now; it is tried again')
        await sleep(deps.clock, RETRY_PAUSE_MS, signal).catch(() => {})
      }
    }
  }

  #take(item: Claimed): void {
    const serving = this.#serve(item).finally(() => {
      this.#serving.delete(serving)
      this.wake()
    })
    this.#serving.add(serving)
  }

  async #serve(item: Claimed): Promise<void> {
    const { logger } = this.#options.deps
    const work = parseQueueItem(item.item)
    try {
      if (work === undefined)
        logger.error({ item: item.item, queue: item.queue }, 'a work item cannot be read')
      else {
        const outcome = await this.#options.claim(work)
        if (outcome === 'not-now') return await item.release()
        if (outcome === 'not-served') return await this.#giveBack(item, work)
      }
      await item.ack()
    } catch (error) {
      if (!isRetryable(error)) logger.error({ run: work?.run, error }, 'a run cannot be claimed')
      await this.#giveBack(item, work).catch((failed) => {
        logger.debug({ run: work?.run, error: failed }, 'a work item could not be given back; it comes again')
      })
    }
  }

  async #giveBack(item: Claimed, work: QueueItem | undefined): Promise<void> {
    await sleep(this.#options.deps.clock, REFUSED_PAUSE_MS, this.#stopping.signal).catch(() => {})
    if (item.delivery < MAX_DELIVERIES) return item.release()
    await item.ack()
    if (work !== undefined) await this.#options.gaveUp(work)
  }
}
