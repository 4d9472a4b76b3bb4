/** Submitted task runs of one execution: what is under way, and what nobody has looked at. */

/** One `submit` or `map`. */
export interface Submitted {
  readonly name: string
  readonly settled: Promise<unknown>
  isSeen: boolean
}

export class Pending {
  readonly #open = new Set<Submitted>()
  #unseen = 0
  #firstUnseen: string | undefined

  add(name: string, settled: Promise<unknown>): Submitted {
    const submitted: Submitted = { name, settled, isSeen: false }
    this.#open.add(submitted)
    const over = () => void this.#open.delete(submitted)
    settled.then(over, over)
    return submitted
  }

  /** Waits for all of them, also those that they submit; gives the names of those that nobody had looked at. */
  async drain(): Promise<{ readonly unseen: number; readonly first: string | undefined }> {
    while (this.#open.size > 0) {
      const open = [...this.#open]
      for (const { isSeen, name } of open) {
        if (isSeen) continue
        this.#unseen++
        this.#firstUnseen ??= name
      }
      for (const each of open) each.isSeen = true
      await Promise.allSettled(open.map(({ settled }) => settled))
    }
    return { unseen: this.#unseen, first: this.#firstUnseen }
  }
}
