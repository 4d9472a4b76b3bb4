/** Takes the snapshots of an opened run while its log is being written. What they are is in `snapshots.ts`. */

import type { Objects } from '../broker/index.ts'
import type { Deps } from '../core/index.ts'
import type { Batches } from './batches.ts'
import type { Proposal } from './proposal.ts'
import type { SnapshotRecord } from './records.ts'
import type { RunState } from './run-state.ts'
import { beginSnapshot, dropSnapshot, isSnapshotDue } from './snapshots.ts'

export class Snapshots {
  readonly #objects: Objects
  readonly #deps: Deps
  readonly #submit: (proposal: Proposal) => void
  #taking: Promise<void> | undefined

  constructor(objects: Objects, deps: Deps, submit: (proposal: Proposal) => void) {
    this.#objects = objects
    this.#deps = deps
    this.#submit = submit
  }

  /** Resolves when none is being taken. Its record may still have to be written. */
  get settled(): Promise<void> {
    return this.#taking ?? Promise.resolve()
  }

  /** The state is the fold up to the newest batch, once nothing more goes into that: one at a time, when due. */
  takeWhenDue(state: RunState, batches: Batches<unknown>): void {
    if (this.#taking !== undefined || !isSnapshotDue(state)) return
    batches.seal()
    const { newest } = batches
    if (newest === undefined) return
    const snapshot = beginSnapshot(this.#objects, this.#deps, state)
    newest.snapshot = snapshot
    this.#taking = snapshot.over.then((record) => {
      this.#taking = undefined
      if (record !== undefined) this.#record(state.id, record)
    })
  }

  #record(run: string, record: SnapshotRecord): void {
    let superseded = record.rev
    this.#submit({
      lazy: true,
      patient: true,
      judge: ({ snapshotRev }) => {
        const isNewer = record.rev > snapshotRev
        superseded = isNewer ? snapshotRev : record.rev
        return isNewer ? { is: 'write', answer: 'applied', records: [record] } : { is: 'ignored' }
      },
      settled: () => void dropSnapshot(this.#objects, this.#deps, run, superseded),
      failed: (error) => {
        this.#deps.logger.debug({ run, rev: record.rev, error }, 'a snapshot was not recorded')
      },
    })
  }
}
