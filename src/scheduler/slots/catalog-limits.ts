/**
 * The limits that pools, work queues and deployments bring with them, for the keeper of the slots. To load the catalogue
 * takes a fifth of a second of the processor, and a script on a store of its own has no definitions: until there is one, only
 * that is looked for.
 */

import type { Broker, KvWatch } from '../../broker/index.ts'
import type { LimitHandler } from '../../catalog/index.ts'
import type { Deps, Timer } from '../../core/index.ts'

/** Of the catalogue. What is in them is for the catalogue to read. */
const BUCKETS = ['deployments', 'work-pools', 'work-queues']

type Watch = Pick<KvWatch, 'stop'>

const TRY_AGAIN_MS = 1_000

/** The limits that there are now, then every change. Resolves when those that there are have been handled. */
export async function watchCatalogLimits(
  broker: Pick<Broker, 'kv'>,
  deps: Deps,
  handler: LimitHandler,
): Promise<Watch> {
  let watching: Promise<Watch> | undefined
  let again: Timer | undefined
  let isStopped = false

  function begin(): void {
    if (watching !== undefined || isStopped) return
    watching = load(broker, deps, handler)
    watching.catch((error) => {
      deps.logger.warn(
        { error },
        'the limits of pools, queues and deployments cannot be read; it is tried again',
      )
      watching = undefined
      if (!isStopped) again = deps.clock.setTimer(TRY_AGAIN_MS, begin, { ref: false })
    })
  }

  const looks = await Promise.all(
    BUCKETS.map(async (name) => (await broker.kv.bucket(name)).watch('', begin)),
  )
  async function stop(): Promise<void> {
    isStopped = true
    again?.cancel()
    await Promise.all(looks.map((look) => look.stop()))
    const watch = await watching?.catch(() => undefined)
    await watch?.stop()
  }
  try {
    await Promise.all(looks.map(({ caughtUp }) => caughtUp))
    await watching
  } catch (error) {
    await stop()
    throw error
  }
  return { stop }
}

async function load(broker: Pick<Broker, 'kv'>, deps: Deps, handler: LimitHandler): Promise<Watch> {
  const { openCatalog, watchLimits } = await import('../../catalog/index.ts')
  return watchLimits(openCatalog(broker, deps), handler)
}
