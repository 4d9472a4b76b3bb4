/**
 * What is on its way into a log, in order: the entry in flight, those that are full and wait, and the one that
 * gathers. Knows sizes and revisions, and nothing of what the records say.
 */

import type { Limits, Rev } from '../broker/index.ts'
import { tooLarge } from './answers.ts'
import { encodeRecord } from './codec.ts'
import type { RunRecord } from './records.ts'
import type { ChartSnapshot, FlowContext } from './run-state.ts'
import type { SnapshotInFlight } from './snapshots.ts'

/** Room in an entry for its head. */
const HEAD_BYTES = 256

export interface Batch<Rider> {
  readonly texts: string[]
  readonly records: RunRecord[]
  /** Who is answered once it is in the log. */
  readonly riders: Rider[]
  /** The flow run as it is after this entry. */
  flow: ChartSnapshot<FlowContext> | undefined
  /** Of the state after this entry. */
  snapshot: SnapshotInFlight | undefined
  bytes: number
  /** Somebody waits for it. */
  urgent: boolean
}

/** The records of one proposal, written out. They stand in one entry. */
export interface Encoded {
  readonly records: readonly RunRecord[]
  readonly texts: readonly string[]
  readonly bytes: number
}

export class Batches<Rider> {
  readonly #run: string
  readonly #limits: Pick<Limits, 'batch' | 'record'>
  #flying: Batch<Rider> | undefined
  #sealed: Batch<Rider>[] = []
  #gathering: Batch<Rider> = newBatch()
  #bytes = 0

  constructor(run: string, limits: Pick<Limits, 'batch' | 'record'>) {
    this.#run = run
    this.#limits = limits
  }

  /**
   * Records as they are written, before anything has seen them.
   *
   * @throws CB_E_RECORD_INVALID; CB_E_PAYLOAD_TOO_LARGE when one of them is, or no entry can hold them all
   */
  encode(records: readonly RunRecord[]): Encoded {
    const room = this.#limits.batch - HEAD_BYTES
    const texts: string[] = []
    let bytes = 0
    for (const record of records) {
      const text = encodeRecord(record)
      const size = Buffer.byteLength(text)
      if (size > this.#limits.record)
        throw tooLarge(`A record of run ${this.#run}`, size, this.#limits.record)
      texts.push(text)
      bytes += size
    }
    if (bytes > room) throw tooLarge(`An entry of run ${this.#run}`, bytes, room)
    return { records, texts, bytes }
  }

  /** Bytes of all records that are not in the log yet. */
  get bytes(): number {
    return this.#bytes
  }

  get isEmpty(): boolean {
    return this.newest === undefined
  }

  /** Whether anything asks to be written now. */
  get isUrgent(): boolean {
    return this.#sealed.length > 0 || this.#gathering.urgent
  }

  /** The last one with anything in it. */
  get newest(): Batch<Rider> | undefined {
    return this.#gathering.texts.length > 0 ? this.#gathering : (this.#sealed.at(-1) ?? this.#flying)
  }

  /** Adds records to the batch that gathers, or to a new one when they do not fit. */
  add({ records, texts, bytes }: Encoded): Batch<Rider> {
    if (this.#gathering.bytes + bytes > this.#limits.batch) this.seal()
    const batch = this.#gathering
    for (const record of records) batch.records.push(record)
    for (const text of texts) batch.texts.push(text)
    batch.bytes += bytes
    this.#bytes += bytes
    return batch
  }

  /** The revision that the batch gathering will have, on top of a log at `rev`. */
  revAfter(rev: Rev): Rev {
    return rev + (this.#flying === undefined ? 0 : 1) + this.#sealed.length + 1
  }

  /** Nothing more goes into the batch that gathers; it is written. */
  seal(): void {
    if (this.#gathering.texts.length === 0) return
    this.#sealed.push(this.#gathering)
    this.#gathering = newBatch()
  }

  hurry(): void {
    if (this.#gathering.texts.length > 0) this.#gathering.urgent = true
  }

  /** The next one to be written, which is in flight from now on. */
  takeOff(): Batch<Rider> | undefined {
    this.#flying = this.#sealed.shift()
    if (this.#flying === undefined && this.#gathering.urgent) {
      this.#flying = this.#gathering
      this.#gathering = newBatch()
    }
    return this.#flying
  }

  /** The one in flight is in the log. */
  landed(): void {
    this.#bytes -= this.#flying === undefined ? 0 : this.#flying.bytes - HEAD_BYTES
    this.#flying = undefined
  }

  /** Forgets everything: nothing of it is in the log, as far as is known. Returns who was waiting, in order. */
  clear(): Rider[] {
    const all = [...(this.#flying ? [this.#flying] : []), ...this.#sealed, this.#gathering]
    this.#flying = undefined
    this.#sealed = []
    this.#gathering = newBatch()
    this.#bytes = 0
    for (const { snapshot } of all) snapshot?.lost()
    return all.flatMap((batch) => batch.riders)
  }
}

function newBatch<Rider>(): Batch<Rider> {
  return {
    texts: [],
    records: [],
    riders: [],
    flow: undefined,
    snapshot: undefined,
    bytes: HEAD_BYTES,
    urgent: false,
  }
}
