/**
 * What is under way, by its identity: few at a time, many in a life.
 *
 * Not a `Map`: V8 links each table of a Map (or Set) to the one that takes its place, and a table that much goes into and
 * out of is replaced all the time. Once one of them is old, everything that was ever in a later one stays in memory until
 * the next full collection. In a run of 100,000 tasks that was most of the garbage. A dictionary has no such links.
 */
export class Lookup<K extends string | number, T> {
  readonly #entries: Partial<Record<K, T>> = Object.create(null)
  #size = 0

  get size(): number {
    return this.#size
  }

  get(id: K): T | undefined {
    return this.#entries[id]
  }

  set(id: K, value: T): void {
    if (this.#entries[id] === undefined) this.#size++
    this.#entries[id] = value
  }

  delete(id: K): void {
    if (this.#entries[id] === undefined) return
    delete this.#entries[id]
    this.#size--
  }

  /** Those there are now, in the order they came. */
  values(): T[] {
    return Object.values(this.#entries)
  }
}
