/**
 * What the checkpoint of a partition in the object store says, and what has come since: whether it is worth another one. A
 * script may be over in a second, and 64 checkpoints on a disk are some 270 syncs.
 *
 * Invariants
 * (N1) What is not written a take-over makes good by reading fewer entries than lie between two checkpoints anyway, none of
 *      them the partition's own. So it never does again what was done.
 * (N2) Where it is not known what is in the store, or how much of the log lies between, it is written.
 */

import type { Cursor } from '../broker/index.ts'
import type { Checkpoint } from './checkpoint.ts'

/** What one checkpoint says besides how far it goes. */
interface Says {
  readonly digest: string
  readonly retained: Cursor | undefined
}

export class KeptCheckpoint {
  readonly #every: number
  /** Undefined when that is not known (N2). */
  #says: Says | undefined
  #own = 0
  #passed = 0

  /** `every`: entries between two checkpoints. */
  constructor(every: number) {
    this.#every = every
  }

  /** Entries of the partition since it was written. */
  get own(): number {
    return this.#own
  }

  /** Whether there is anything that it is behind with, but for how far it goes. */
  get isBehind(): boolean {
    return this.#own > 0 || this.#says === undefined
  }

  /** `undefined`: what there is cannot be used. */
  found(checkpoint: Checkpoint | undefined): void {
    this.#says = checkpoint
  }

  handled(): void {
    this.#own++
  }

  /** So many entries of the log, of whatever partition, were passed; Infinity when nobody has counted them. */
  passed(entries: number): void {
    this.#passed += entries
  }

  /** Whether to write one that says this, of so many rows (N1). */
  isWorth({ digest, retained }: Says, rows: number): boolean {
    if (this.isBehind || this.#passed >= Math.max(this.#every, rows)) return true
    return digest !== this.#says?.digest || retained !== this.#says.retained
  }

  /** One is about to be written, as of now. Until it is `written`, nothing is known of the store. */
  writing(): void {
    this.#says = undefined
    this.#own = 0
    this.#passed = 0
  }

  written(says: Says): void {
    this.#says = says
  }

  /** It is of another log. */
  lost(): void {
    this.#says = undefined
  }
}
