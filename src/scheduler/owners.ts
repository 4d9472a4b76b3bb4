/**
 * Who owns which partition: one value for the whole cluster, key `owners` of KV bucket `partitions`, without a time to
 * live. An owner is known by the name of its membership (`membership.ts`).
 *
 * Invariants
 * (O1) It is changed by compare-and-set alone, so a partition has one owner at most.
 * (O2) What is known is replaced by what is newer; by anything else only when a change on top of it was refused: then
 *      the broker was wiped or restored, and what it has now is what counts.
 */

import type { Bucket, KeyValue, KvChange, KvEntry, KvRevision, KvWatch } from '../broker/index.ts'
import { CallboardError, isJsonObject, type JsonObject, type JsonValue, PARTITIONS } from '../core/index.ts'

export const OWNERS_BUCKET = 'partitions'
const KEY = 'owners'
const VERSION = 1

/** Owners by partition. One that is not in there is nobody's. */
export type Owners = ReadonlyMap<number, string>

interface Known {
  readonly owners: Owners
  /** 0: there is no such key. */
  readonly revision: KvRevision
}

export class OwnersTable {
  readonly #kv: KeyValue
  readonly #changed: () => void
  #known: Known = { owners: new Map(), revision: 0 }
  #bucket: Bucket | undefined
  #watch: KvWatch | undefined

  /** `changed` is called whenever `now` has. */
  constructor(kv: KeyValue, changed: () => void) {
    this.#kv = kv
    this.#changed = changed
  }

  /** The newest that is known. */
  get now(): Owners {
    return this.#known.owners
  }

  async start(): Promise<void> {
    this.#bucket = await this.#kv.bucket(OWNERS_BUCKET, { ttlMs: 0 })
    this.#watch = await this.#bucket.watch('', (change) => this.#told(change))
    await this.#watch.caughtUp
  }

  async stop(): Promise<void> {
    await this.#watch?.stop()
  }

  /** `edit` is asked for what should be there until that is written; the same object back leaves it as it is. (O1) */
  async change(edit: (owners: Owners) => Owners): Promise<void> {
    const bucket = this.#bucket
    while (bucket) {
      const { owners, revision } = this.#known
      const next = edit(owners)
      if (next === owners) return
      const value = encode(next)
      const written =
        revision === 0 ? await bucket.create(KEY, value) : await bucket.update(KEY, value, revision)
      if (written !== undefined) return this.#learn({ owners: next, revision: written })
      if (this.#known.revision === revision) this.#know(knownOf(await bucket.get(KEY))) // (O2)
    }
  }

  #told(change: KvChange): void {
    if (change.kind === 'put') this.#learn(knownOf(change.entry))
  }

  #learn(known: Known): void {
    if (known.revision > this.#known.revision) this.#know(known) // (O2)
  }

  #know(known: Known): void {
    this.#known = known
    this.#changed()
  }
}

/** The owners with some partitions given to somebody, or to nobody. */
export function assigned(owners: Owners, partitions: Iterable<number>, owner: string | undefined): Owners {
  const next = new Map(owners)
  for (const partition of partitions) {
    if (owner === undefined) next.delete(partition)
    else next.set(partition, owner)
  }
  return next
}

function knownOf(entry: KvEntry | undefined): Known {
  return entry === undefined
    ? { owners: new Map(), revision: 0 }
    : { owners: decode(entry.value), revision: entry.revision }
}

function encode(owners: Owners): JsonObject {
  const lists: Record<string, number[]> = {}
  for (const [partition, owner] of owners) {
    lists[owner] ??= []
    lists[owner].push(partition)
  }
  return { v: VERSION, owners: lists }
}

/** @throws CB_E_STORE_TOO_NEW */
function decode(value: JsonValue): Owners {
  if (!isJsonObject(value) || value.v !== VERSION || !isJsonObject(value.owners))
    throw new CallboardError(
      'CB_E_STORE_TOO_NEW',
      `The table of partitions in KV bucket ${OWNERS_BUCKET} is not of version ${VERSION}; this scheduler cannot take part. Use the version of Callboard that the others of the cluster have.`,
    )
  const owners = new Map<number, string>()
  for (const [owner, partitions] of Object.entries(value.owners)) {
    if (!Array.isArray(partitions)) continue
    for (const partition of partitions)
      if (typeof partition === 'number' && partition >= 0 && partition < PARTITIONS)
        owners.set(partition, owner)
  }
  return owners
}
