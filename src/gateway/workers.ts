/** The workers that are alive, watched: their leases in the broker's key-value store say so. */

import { WORKERS_BUCKET } from '../actors/index.ts'
import type { Worker, WorkerChange } from '../api/index.ts'
import type { Broker, KvChange, KvEntry, KvWatch } from '../broker/index.ts'
import {
  type Deps,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  type Service,
  service,
} from '../core/index.ts'
import { iso } from './read-model/index.ts'

export interface Workers extends Service {
  /** By their ids. */
  all(): readonly Worker[]
  get(id: string): Worker | undefined
  /** Returns what ends that. */
  onChange(listener: (change: WorkerChange) => void): () => void
}

export function createWorkers(
  { kv }: Pick<Broker, 'kv'>,
  deps: Pick<Deps, 'logger'>,
  leaseMs: number,
): Workers {
  const known = new Map<string, Worker>()
  const listeners = new Set<(change: WorkerChange) => void>()
  let watch: KvWatch | undefined

  function changed(change: KvChange): void {
    if (change.kind === 'gone') {
      if (known.delete(change.key)) for (const listener of listeners) listener({ gone: change.key })
      return
    }
    const worker = workerOf(change.entry)
    if (worker === undefined) {
      deps.logger.warn({ key: change.entry.key }, 'a lease says nothing of its worker and is left out')
      return
    }
    known.set(worker.id, worker)
    for (const listener of listeners) listener({ worker })
  }

  const life = service('The watch over the workers', {
    async start() {
      const bucket = await kv.bucket(WORKERS_BUCKET, { ttlMs: leaseMs })
      watch = await bucket.watch('', changed)
      await watch.caughtUp
    },
    async stop() {
      await watch?.stop()
      listeners.clear()
    },
  })

  return {
    ...life,
    all: () => [...known.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    get: (id) => known.get(id),
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}

function workerOf({ at, key, value }: KvEntry): Worker | undefined {
  if (!isJsonObject(value)) return undefined
  const { hosted, queues, slots, startedAt, status } = value
  return {
    id: key,
    queues: textsOf(queues),
    status: status === 'draining' ? 'draining' : 'ready',
    slots: countOf(slots),
    hosted: countOf(hosted),
    ...aboutOf(value),
    startedAt: iso(countOf(startedAt)),
    lastSeenAt: iso(at),
  }
}

type About = Pick<
  Worker,
  'capabilities' | 'host' | 'infrastructure' | 'name' | 'pid' | 'pools' | 'version' | 'workQueues'
>

function aboutOf(value: JsonObject): About {
  const about: About = {}
  for (const field of ['host', 'infrastructure', 'name', 'version'] as const) {
    const text = value[field]
    if (typeof text === 'string') about[field] = text
  }
  for (const field of ['capabilities', 'pools', 'workQueues'] as const)
    if (Array.isArray(value[field])) about[field] = textsOf(value[field])
  if (typeof value.pid === 'number') about.pid = countOf(value.pid)
  return about
}

function textsOf(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((text) => typeof text === 'string') : []
}

function countOf(value: JsonValue | undefined): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0
}
