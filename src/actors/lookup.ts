/**
 * What is under way, by its identity: few at a time, many in a life.
 *
 * Not a `Map`: V8 links each table of a Map (or Set) to the one that takes its place, and a table that much goes into and
 * out of is replaced all the time. Once one of them is old, everything that was ever in a later one stays in memory until
 * the next full collection. In a run of 100,000 tasks that was most of the garbage. A dictionary has no such links; but it
 * is replaced as well, and holds no more than numbers here, so that one that is old keeps nothing else from being collected.
 */
export class Lookup<K extends string | number, T> {
  readonly #places: Partial<Record<K, number>> = Object.create(null)
  readonly #values: (T | undefined)[] = []
  readonly #free: number[] = []

  get size(): number {
    return this.#values.length - this.#free.length
  }

  get(id: K): T | undefined {
    const place = this.#places[id]
    return place === undefined ? undefined : this.#values[place]
  }

  set(id: K, value: T): void {
    const place = this.#places[id] ?? this.#free.pop() ?? this.#values.length
    this.#places[id] = place
    this.#values[place] = value
  }

  delete(id: K): void {
    const place = this.#places[id]
    if (place === undefined) return
    delete this.#places[id]
    this.#values[place] = undefined
    this.#free.push(place)
  }

  /** Those there are now, in the order they came. */
  values(): T[] {
    const places: readonly number[] = Object.values(this.#places)
    return places.map((place) => this.#values[place] as T)
  }
}
