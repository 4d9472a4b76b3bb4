/**
 * A kind of definition in the broker's key-value store: one bucket, one key per definition.
 *
 * Invariants
 * (D1) What is stored has passed the schema of its kind, and is checked again when it is read.
 * (D2) A key is only a place: a name may hold what a key may not, so the key is made from it and the value names itself.
 * (D3) A change is made on top of what was read; of two at once both are in.
 */

import type { Bucket, KeyValue, KvEntry, KvWatch } from '../broker/index.ts'
import { CallboardError, type Deps, nearest, tokenFor } from '../core/index.ts'
import type { Checker } from './check.ts'

/** When it was made and last changed, ms since the epoch. */
export interface Stamped {
  readonly createdAt: number
  readonly updatedAt: number
}

/** A definition as it is given: without its times. */
export type Draft<T extends Stamped> = Omit<T, keyof Stamped>

/** What is to be another way. `undefined` leaves it out. */
export type Edit<T extends Stamped> = { readonly [K in keyof Draft<T>]?: Draft<T>[K] | undefined }

export type Change<T> =
  | { readonly kind: 'put'; readonly key: string; readonly value: T }
  | { readonly kind: 'gone'; readonly key: string }

export interface CollectionOptions<T extends Stamped> {
  readonly kv: KeyValue
  readonly deps: Deps
  readonly bucket: string
  /** What people call one of them: "work pool". */
  readonly title: string
  /** What it is known by: `weather/prod`. */
  idOf(value: Draft<T>): string
  readonly check: Checker<T>
}

export class Collection<T extends Stamped> {
  readonly #options: CollectionOptions<T>
  #bucket: Promise<Bucket> | undefined

  constructor(options: CollectionOptions<T>) {
    this.#options = options
  }

  /** The key in the bucket, as changes name it. (D2) */
  static keyOf(id: string): string {
    return tokenFor(id)
  }

  async find(id: string): Promise<T | undefined> {
    const entry = await (await this.#open()).get(Collection.keyOf(id))
    return entry === undefined ? undefined : this.#read(entry)
  }

  /** @throws CB_E_CATALOG_MISSING */
  async get(id: string): Promise<T> {
    const found = await this.find(id)
    if (found === undefined) throw await this.#missing(id)
    return found
  }

  /** All of them, by their ids in order. One that cannot be read is left out and logged. */
  async list(): Promise<readonly T[]> {
    const found: T[] = []
    for await (const entry of (await this.#open()).list()) {
      const value = this.#readable(entry)
      if (value !== undefined) found.push(value)
    }
    const { idOf } = this.#options
    return found.toSorted((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
  }

  /** @throws CB_E_CATALOG_EXISTS, CB_E_CATALOG_INVALID */
  async create(draft: Draft<T>): Promise<T> {
    const { check, deps, idOf, title } = this.#options
    const now = deps.clock.now()
    const value = check.value({ ...draft, createdAt: now, updatedAt: now })
    const id = idOf(value)
    const made = await (await this.#open()).create(Collection.keyOf(id), check.json(value))
    if (made !== undefined) return value
    throw new CallboardError(
      'CB_E_CATALOG_EXISTS',
      `There is a ${title} '${id}' already. Change that one, or choose another name.`,
    )
  }

  /** Makes it, or puts it in the place of what is there. @throws CB_E_CATALOG_INVALID */
  async put(draft: Draft<T>): Promise<T> {
    const { check, deps, idOf } = this.#options
    const bucket = await this.#open()
    const now = deps.clock.now()
    const key = Collection.keyOf(idOf(draft))
    const createdAt =
      (await bucket.get(key).then((entry) => entry && this.#readable(entry)))?.createdAt ?? now
    const value = check.value({ ...draft, createdAt, updatedAt: now })
    await bucket.put(key, check.json(value))
    return value
  }

  /**
   * Changes what is there. (D3)
   *
   * @throws CB_E_CATALOG_MISSING, CB_E_CATALOG_INVALID, and what `change` throws
   */
  async update(id: string, change: (value: T) => Edit<T>): Promise<T> {
    const { check, deps, idOf } = this.#options
    const bucket = await this.#open()
    const key = Collection.keyOf(id)
    for (;;) {
      const entry = await bucket.get(key)
      if (entry === undefined) throw await this.#missing(id)
      const before = this.#read(entry)
      const value = check.value({ ...before, ...change(before), updatedAt: deps.clock.now() })
      if (idOf(value) !== id) throw this.#renamed(id)
      if ((await bucket.update(key, check.json(value), entry.revision)) !== undefined) return value
    }
  }

  /** `false` when there was none. */
  async delete(id: string): Promise<boolean> {
    return (await this.#open()).delete(Collection.keyOf(id))
  }

  /** What is there now, then every change. */
  async watch(handler: (change: Change<T>) => void): Promise<KvWatch> {
    return (await this.#open()).watch('', (change) => {
      if (change.kind === 'gone') return handler(change)
      const value = this.#readable(change.entry)
      if (value !== undefined) handler({ kind: 'put', key: change.entry.key, value })
    })
  }

  #open(): Promise<Bucket> {
    const opening = this.#bucket ?? this.#options.kv.bucket(this.#options.bucket)
    this.#bucket = opening
    opening.catch(() => {
      if (this.#bucket === opening) this.#bucket = undefined
    })
    return opening
  }

  /** (D1) */
  #read(entry: KvEntry): T {
    return this.#options.check.value(entry.value)
  }

  #readable(entry: KvEntry): T | undefined {
    const { deps, bucket, title } = this.#options
    try {
      return this.#read(entry)
    } catch (error) {
      deps.logger.error({ error, bucket, key: entry.key }, `a ${title} cannot be read and is left out`)
      return undefined
    }
  }

  async #missing(id: string): Promise<CallboardError> {
    const { idOf, title } = this.#options
    const near = nearest(id, (await this.list()).map(idOf))
    const hint = near === undefined ? '' : ` Did you mean '${near}'?`
    return new CallboardError('CB_E_CATALOG_MISSING', `There is no ${title} '${id}'.${hint}`)
  }

  #renamed(id: string): CallboardError {
    const { title } = this.#options
    return new CallboardError(
      'CB_E_CATALOG_INVALID',
      `The ${title} '${id}' cannot be given another name. Make a new one and delete this one.`,
    )
  }
}
