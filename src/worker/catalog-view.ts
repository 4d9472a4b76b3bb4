/**
 * What a worker has to know of the catalogue at every moment: the work queues of its pool in the order in which they are
 * served, and which limits a run needs slots of. It follows the changes; nothing is asked for again and again.
 */

import type { CreatedRecord } from '../actors/index.ts'
import type { KvWatch } from '../broker/index.ts'
import {
  brokerQueue,
  type Catalog,
  type Change,
  Collection,
  type Deployment,
  deploymentLimit,
  poolLimit,
  queueLimit,
  type WorkPool,
  type WorkQueue,
} from '../catalog/index.ts'

export type Kinds = Pick<Catalog, 'deployments' | 'pools' | 'queues'>

export class CatalogView {
  readonly #kinds: Kinds
  readonly #changed: () => void
  readonly #deployments = new Map<string, Deployment>()
  readonly #pools = new Map<string, WorkPool>()
  readonly #queues = new Map<string, WorkQueue>()
  #watches: readonly KvWatch[] = []
  #isStopped = false

  /** @param changed a pool or queue is not as it was */
  constructor(kinds: Kinds, changed: () => void) {
    this.#kinds = kinds
    this.#changed = changed
  }

  /** Resolves when everything that is there is known. */
  async start(): Promise<void> {
    const { deployments, pools, queues } = this.#kinds
    const watches = await Promise.all([
      deployments.watch((change) => keep(this.#deployments, change)),
      pools.watch((change) => this.#keepAndTell(this.#pools, change)),
      queues.watch((change) => this.#keepAndTell(this.#queues, change)),
    ])
    this.#watches = watches
    await Promise.all(watches.map(({ caughtUp }) => caughtUp))
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#watches.map((watch) => watch.stop()))
  }

  pool(name: string): WorkPool | undefined {
    return this.#pools.get(Collection.keyOf(name))
  }

  /** All of a pool, the one that is served first first. */
  queuesOf(pool: string): readonly WorkQueue[] {
    return [...this.#queues.values()]
      .filter((queue) => queue.pool === pool)
      .toSorted((a, b) => a.priority - b.priority || (a.name < b.name ? -1 : 1))
  }

  /**
   * The limits that a run needs slots of because of where it comes from. One without a deployment of its own is a part
   * of the run that called it, which has them already: it would wait for its own parent.
   */
  limitsOf({ deployment: id, policy }: CreatedRecord): readonly string[] {
    if (id === undefined) return []
    const deployment = this.#deployments.get(Collection.keyOf(id))
    const queue = [...this.#queues.values()].find((each) => brokerQueue(each) === policy.target.queue)
    const pool = queue === undefined ? undefined : this.pool(queue.pool)
    const limits = [
      deployment && deploymentLimit(deployment),
      queue && queueLimit(queue),
      pool && poolLimit(pool),
    ]
    return limits.flatMap((limit) => limit?.name ?? [])
  }

  #keepAndTell<T>(known: Map<string, T>, change: Change<T>): void {
    keep(known, change)
    if (!this.#isStopped) this.#changed()
  }
}

function keep<T>(known: Map<string, T>, change: Change<T>): void {
  if (change.kind === 'put') known.set(change.key, change.value)
  else known.delete(change.key)
}
