/** Things for one address that come in the same turn of the event loop go there together. */

import type { Clock } from '../core/index.ts'

interface Gathered<In, Out> {
  readonly item: In
  readonly resolve: (out: Out) => void
  readonly reject: (error: unknown) => void
}

export interface GatheringOptions<In, Out> {
  readonly clock: Pick<Clock, 'defer'>
  /** How many go together at most. */
  readonly most: number
  /** Answers each, in the order given. */
  send(address: string, items: readonly In[]): Promise<readonly Out[]>
}

export class Gathering<In, Out> {
  readonly #options: GatheringOptions<In, Out>
  readonly #waiting = new Map<string, Gathered<In, Out>[]>()

  constructor(options: GatheringOptions<In, Out>) {
    this.#options = options
  }

  /** Gives the answer to this one. Rejects with what sending them rejected with. */
  add(address: string, item: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      const gathered = { item, resolve, reject }
      const group = this.#waiting.get(address)
      if (group !== undefined && group.length < this.#options.most) {
        group.push(gathered)
        return
      }
      const begun = [gathered]
      this.#waiting.set(address, begun)
      this.#options.clock.defer(() => {
        if (this.#waiting.get(address) === begun) this.#waiting.delete(address)
        void this.#send(address, begun)
      })
    })
  }

  async #send(address: string, group: readonly Gathered<In, Out>[]): Promise<void> {
    try {
      const answers = await this.#options.send(
        address,
        group.map(({ item }) => item),
      )
      for (const [place, { resolve }] of group.entries()) resolve(answers[place] as Out)
    } catch (error) {
      for (const { reject } of group) reject(error)
    }
  }
}
