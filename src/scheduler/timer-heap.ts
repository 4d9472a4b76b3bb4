/** A binary heap of due times, earliest first, whose items know their place: taking one out costs O(log n). */

export interface HeapItem {
  readonly due: number
  /** Its index in the heap; `OUT` when it is in none, `GONE` when it may never be in one again. */
  place: number
}

export const OUT = -1
export const GONE = -2

export class TimerHeap<T extends HeapItem> {
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  /** The earliest, or undefined. */
  peek(): T | undefined {
    return this.#items[0]
  }

  /** Puts it in; nothing happens when it is in already, or gone. */
  push(item: T): void {
    if (item.place !== OUT) return
    item.place = this.#items.length
    this.#items.push(item)
    this.#rise(item)
  }

  /** Takes the earliest out. */
  pop(): T | undefined {
    const first = this.#items[0]
    if (first) this.remove(first)
    return first
  }

  /** Takes this one out; nothing happens when it is not in. */
  remove(item: T): void {
    const hole = item.place
    if (hole < 0) return
    item.place = OUT
    const last = this.#items.pop()
    if (!last || last === item) return
    last.place = hole
    this.#items[hole] = last
    this.#rise(last)
    this.#sink(last)
  }

  #rise(item: T): void {
    for (let at = item.place; at > 0; ) {
      const above = (at - 1) >> 1
      const parent = this.#items[above]
      if (!parent || parent.due <= item.due) return
      this.#swap(item, parent)
      at = above
    }
  }

  #sink(item: T): void {
    for (;;) {
      const left = this.#items[2 * item.place + 1]
      const right = this.#items[2 * item.place + 2]
      const least = right && left && right.due < left.due ? right : left
      if (!least || least.due >= item.due) return
      this.#swap(item, least)
    }
  }

  #swap(a: T, b: T): void {
    const place = a.place
    a.place = b.place
    b.place = place
    this.#items[a.place] = a
    this.#items[b.place] = b
  }
}
