/**
 * The owner of an opened run: its state, and the only way to extend its log. Used by the host of a run, and by
 * anybody else who has something to say to a run that nobody hosts.
 *
 * What is proposed is judged at once against the speculative state (everything in the log and everything on its way
 * there), applied to it, and gathered into a batch. One append is in flight; what gathers meanwhile goes into the
 * next one.
 *
 * Invariants
 * (G1) One append in flight, on top of the last revision known. Batches are written in the order in which their
 *      proposals were judged, and a proposal's records stand in one entry.
 * (G2) A proposal is answered once everything it was judged upon is in the log, also when it has nothing to write:
 *      no answer rests on speculation.
 * (G3) A conflict throws the state away: the run is opened anew and everything unanswered is judged again, in order.
 * (G4) An owner that finds the run in somebody else's hands (a newer epoch, or its own taken away) is fenced: it
 *      writes nothing more, and everything unanswered fails with CB_E_FENCED.
 * (G5) An unknown outcome is settled before anything else is written; while the broker is away the batch waits. An
 *      owner that does not outlast that fails as a whole.
 * (G6) What waits is bounded. Beyond the bound a patient proposal waits unjudged, any other fails with CB_E_BUSY.
 * (G7) What is too large for a record or an entry is refused before the state or the log has seen any of it.
 * (G8) A lazy proposal asks for no entry of its own: it rides with the next one, or goes after a moment.
 * (G9) What a judge throws leaves state and log as they were and goes to its proposer alone.
 */

import type { Broker, Cursor, Rev } from '../broker/index.ts'
import {
  CallboardError,
  type Deps,
  isCallboardError,
  messageOf,
  mintId,
  sleep,
  vouchForJson,
} from '../core/index.ts'
import { answerTo, recordsOf, takenAway } from './answers.ts'
import { type Appended, appendOnce, appendSettled, untilAnswered } from './append.ts'
import { type Batch, Batches, type Encoded } from './batches.ts'
import { decodeEntry, encodeRecord } from './codec.ts'
import { applyRecords } from './fold.ts'
import type { Answer, Judge, Judgement } from './judgement.ts'
import { openRun, readOn } from './open-run.ts'
import type { Proposal, RunLogOptions } from './proposal.ts'
import { type HeadRecord, RECORD_VERSION } from './records.ts'
import type { RunState } from './run-state.ts'
import { Snapshots } from './snapshot-taker.ts'

export type { Proposal, RunLogListener, RunLogOptions } from './proposal.ts'

interface Rider {
  readonly proposal: Proposal
  readonly answer: Answer
}

const MAX_UNANSWERED = 10_000
const MAX_WAITING_BYTES = 4 * 1024 * 1024
/** Ends what waits for a broker on behalf of a log that is closed. */
const CLOSED = new CallboardError(
  'CB_E_STOPPED',
  'The log of the run was closed here meanwhile; open it again.',
)
const CONFLICT_JITTER_MS = 5
const LONGEST_JITTER_MS = 200

export class RunLog {
  readonly id: string
  readonly #broker: Broker
  readonly #deps: Deps
  readonly #options: RunLogOptions
  readonly #stop = new AbortController()
  readonly #nonces: string
  #appends = 0
  readonly #batches: Batches<Rider>
  /** Where the entry before the next one stands, if it was told with the state. */
  #at: Cursor | undefined
  readonly #snapshots: Snapshots
  /** Its host, and no one else: see `own`. */
  #epoch: number | undefined
  /** `reading`: the state is being read, nothing can be judged. */
  #phase: 'open' | 'reading' | 'ended' = 'open'
  #end: CallboardError | 'closed' | undefined
  #state: RunState
  /** The last revision known to be in the log. */
  #rev: Rev
  /** In the order they came: patient ones, and all that come while nothing can be judged. */
  #unjudged: Proposal[] = []
  #unanswered = 0
  #conflicts = 0
  #pumping = false
  #draining = false
  #whenMoved: (() => void)[] = []

  constructor(broker: Broker, deps: Deps, state: RunState, options: RunLogOptions = {}) {
    this.id = state.id
    this.#broker = broker
    this.#deps = deps
    this.#options = options
    this.#nonces = mintId(deps)
    this.#batches = new Batches(state.id, broker.capabilities.limits)
    this.#snapshots = new Snapshots(broker.objects, deps, (proposal) => this.submit(proposal))
    this.#state = state
    this.#rev = state.rev
    this.#at = options.at
    if (options.created !== undefined) this.#batches.add(this.#batches.encode([options.created]))
  }

  /** Speculative: ahead of the log by what is on its way there. Only to be looked at. */
  get state(): RunState {
    return this.#state
  }

  /** The last revision known to be in the log. */
  get rev(): Rev {
    return this.#rev
  }

  get ended(): boolean {
    return this.#end !== undefined
  }

  /** The claim is in the log: from here on it is fenced when the run is found in other hands (G4). */
  own(epoch: number): void {
    this.#epoch = epoch
  }

  /**
   * Resolves once the answer stands.
   *
   * @throws CB_E_BUSY, CB_E_FENCED, CB_E_CONTENDED, CB_E_PAYLOAD_TOO_LARGE, CB_E_STOPPED
   */
  propose(
    judge: Judge,
    options: { readonly lazy?: boolean; readonly patient?: boolean } = {},
  ): Promise<Answer> {
    return new Promise((settled, failed) => this.submit({ ...options, judge, settled, failed }))
  }

  /** As `propose`, without a promise: the hot path. Any callback may be called before this returns. */
  submit(proposal: Proposal): void {
    if (this.#end !== undefined) {
      proposal.failed?.(this.#ending(this.#end))
      return
    }
    if (!proposal.patient && this.#isBusy) {
      proposal.failed?.(this.#busy()) // (G6)
      return
    }
    const isNext = this.#phase === 'open' && this.#unjudged.length === 0 && !this.#draining
    this.#unanswered++
    if (isNext && !this.#isFull) this.#admit(proposal)
    else this.#unjudged.push(proposal)
    this.#wake()
  }

  /** Writes what is lazy now. */
  flush(): void {
    this.#batches.hurry()
    this.#wake()
  }

  /** Repeats what a broker that is away could not do, for as long as this owner has the run. */
  outlast<T>(attempt: () => Promise<T>): Promise<T> {
    return untilAnswered(this.#deps, this.#stop.signal, attempt)
  }

  /**
   * Reads what others may have written. What is on its way finds that out by a conflict, and is waited for; an entry that
   * was sent after this call, and landed, says that they had written nothing.
   */
  async refresh(): Promise<void> {
    const proof = this.#rev + 2
    while (this.#isMoving && this.#rev < proof) {
      this.flush()
      await new Promise<void>((resolve) => this.#whenMoved.push(resolve))
    }
    if (this.#isMoving || this.ended) return
    this.#phase = 'reading'
    try {
      const state = await this.#ask(() =>
        readOn(this.#broker, this.id, this.#state, (entry, { flow }) => {
          this.#rev = entry.rev
          this.#options.listener?.committed?.(decodeEntry(entry).slice(1), entry.rev, flow)
        }),
      )
      if (this.#opened(state)) this.#drain()
    } catch (error) {
      this.#fail(error)
    }
    this.#wake()
    this.#tellMoved()
  }

  /** Waits until everything proposed is answered, then takes nothing more. */
  async close(): Promise<void> {
    await this.#settle()
    await this.#snapshots.settled
    await this.#settle()
    this.#finish('closed')
  }

  /** Takes nothing more from now on; what is unanswered fails with `error`. An append in flight may still land. */
  abandon(error: CallboardError): void {
    this.#finish(error)
  }

  /** Whether it is being read, or anything is on its way. */
  get #isMoving(): boolean {
    return !this.ended && (this.#phase !== 'open' || this.#pumping || !this.#batches.isEmpty)
  }

  // ── judging

  get #isFull(): boolean {
    return this.#batches.bytes >= (this.#options.maxWaitingBytes ?? MAX_WAITING_BYTES)
  }

  get #isBusy(): boolean {
    return this.#isFull || this.#unanswered >= (this.#options.maxUnanswered ?? MAX_UNANSWERED)
  }

  #admit(proposal: Proposal): void {
    let judgement: Judgement
    let encoded: Encoded
    try {
      judgement = proposal.judge(this.#state)
      encoded = this.#batches.encode(recordsOf(judgement))
    } catch (error) {
      this.#unanswered--
      proposal.failed?.(error) // (G7) (G9)
      return
    }
    const batch = encoded.records.length === 0 ? this.#batches.newest : this.#apply(encoded)
    const rider = { proposal, answer: answerTo(judgement, this.#state) }
    batch?.riders.push(rider) // (G2)
    if (batch !== undefined && !batch.urgent) this.#schedule(batch, proposal)
    proposal.judged?.(judgement)
    if (batch === undefined) this.#answer(rider)
  }

  /** (G8) */
  #schedule(batch: Batch<Rider>, { lazy }: Proposal): void {
    if (lazy && this.#options.flusher !== undefined) this.#options.flusher.add(this)
    else batch.urgent = true
  }

  #apply(encoded: Encoded): Batch<Rider> {
    const batch = this.#batches.add(encoded)
    const rev = this.#batches.revAfter(this.#rev)
    applyRecords(this.#state, encoded.records, { rev })
    batch.flow = this.#state.flow
    return batch
  }

  /** Judges what has been waiting for it, in order; what comes meanwhile comes after it. */
  #drain(): void {
    this.#draining = true
    while (this.#unjudged.length > 0 && this.#phase === 'open' && !this.#isFull) {
      const waiting = this.#unjudged
      this.#unjudged = []
      let next = 0
      while (next < waiting.length && this.#phase === 'open' && !this.#isFull)
        this.#admit(waiting[next++] as Proposal)
      this.#unjudged = [...waiting.slice(next), ...this.#unjudged]
    }
    this.#draining = false
    if (this.#end !== undefined) this.#failAll(this.#unjudged.splice(0), this.#ending(this.#end))
  }

  #answer({ proposal, answer }: Rider): void {
    this.#unanswered--
    proposal.settled?.(answer)
  }

  // ── writing

  #wake(): void {
    if (this.#pumping || this.#phase !== 'open' || !this.#batches.isUrgent) return
    this.#pumping = true
    // What is proposed in the same turn goes into the same entry.
    queueMicrotask(() => void this.#write())
  }

  async #write(): Promise<void> {
    try {
      await this.#pump()
    } catch (error) {
      this.#fail(error)
    }
    this.#pumping = false
    this.#wake()
    this.#tellMoved()
  }

  /** (G1) */
  async #pump(): Promise<void> {
    while (this.#phase === 'open') {
      const batch = this.#batches.takeOff()
      if (batch === undefined) return
      const texts = vouchForJson([encodeRecord(this.#head()), ...batch.texts])
      const appended = this.#append(texts)
      this.#snapshots.takeWhenDue(this.#state, this.#batches)
      const written = await appended.catch((error) => {
        this.#fail(error)
        return undefined
      })
      if (this.ended || written === undefined) return
      if (written.outcome === 'appended') this.#commit(batch)
      else await this.#recover()
    }
  }

  /** (G5) */
  #append(records: readonly string[]): Promise<Appended> {
    const nonce = `${this.#nonces}-${this.#appends++}`
    const after = this.#at === undefined ? {} : { after: this.#at }
    const task = { subject: this.id, records, expect: this.#rev, nonce, ...after }
    this.#at = undefined
    return this.#options.outlasts
      ? appendSettled(this.#broker, this.#deps, task, this.#stop.signal)
      : appendOnce(this.#broker, task)
  }

  /** What the broker is asked for: again and again, or once. */
  #ask<T>(attempt: () => Promise<T>): Promise<T> {
    return this.#options.outlasts ? this.outlast(attempt) : attempt()
  }

  #head(): HeadRecord {
    const head = { k: 'head', v: RECORD_VERSION, snap: this.#state.snapshotRev } as const
    const { epoch, worker } = this.#state.flow.context
    const own = this.#epoch ?? (worker !== null && worker === this.#options.worker ? epoch : undefined)
    return own === undefined ? head : { ...head, epoch: own }
  }

  #commit({ records, riders, snapshot, flow = this.#state.flow }: Batch<Rider>): void {
    this.#batches.landed()
    this.#rev++
    this.#conflicts = 0
    this.#options.listener?.committed?.(records, this.#rev, flow)
    for (const rider of riders) this.#answer(rider)
    snapshot?.landed()
    this.#drain()
    this.#tellMoved()
  }

  // ── finding out

  /** (G3) */
  async #recover(): Promise<void> {
    this.#unjudged = [...this.#batches.clear().map(({ proposal }) => proposal), ...this.#unjudged]
    this.#phase = 'reading'
    this.#conflicts++
    if (this.#conflicts > (this.#options.maxConflicts ?? Number.POSITIVE_INFINITY))
      throw new CallboardError(
        'CB_E_CONTENDED',
        `Others wrote to run ${this.id} ${this.#conflicts} times in a row just before it could be done here; nothing was written. Try again.`,
      )
    if (this.#conflicts > 1) {
      const jitterMs = Math.min(LONGEST_JITTER_MS, CONFLICT_JITTER_MS * 2 ** this.#conflicts)
      await sleep(this.#deps.clock, jitterMs * this.#deps.random.next(), this.#stop.signal)
    }
    const state = await this.#ask(() => openRun(this.#broker, this.#deps, this.id))
    if (!this.#opened(state)) return
    this.#options.listener?.reloaded?.(this.#state)
    this.#drain()
  }

  /** The run was read; `false` when that was the end of this owner. */
  #opened(state: RunState | undefined): boolean {
    if (this.ended) return false
    if (state === undefined) {
      for (const proposal of this.#unjudged.splice(0))
        this.#answer({ proposal, answer: { outcome: 'missing' } })
      this.#fail(new CallboardError('CB_E_FENCED', `Run ${this.id} was archived meanwhile.`))
      return false
    }
    this.#state = state
    this.#rev = state.rev
    const { epoch, worker } = state.flow.context
    if (this.#epoch !== undefined && (epoch !== this.#epoch || worker !== this.#options.worker)) {
      this.#fail(takenAway(state, this.#epoch)) // (G4)
      return false
    }
    this.#phase = 'open'
    return true
  }

  // ── ending

  #busy(): CallboardError {
    return new CallboardError(
      'CB_E_BUSY',
      `Run ${this.id} has as much waiting to be written as is allowed; nothing was done. Try again in a moment.`,
      { details: { waitingBytes: this.#batches.bytes, unanswered: this.#unanswered } },
    )
  }

  /** It ended by itself: its owner is told. */
  #fail(error: unknown): void {
    if (this.#end !== undefined) return
    const end = isCallboardError(error)
      ? error
      : new CallboardError('CB_E_BUG', `The log of run ${this.id} cannot go on: ${messageOf(error)}`, {
          cause: error,
        })
    this.#finish(end)
    this.#options.listener?.ended?.(end)
  }

  /** Every run is closed one day, and hardly ever is anybody told: that error is made when somebody is. */
  #ending(end: CallboardError | 'closed'): CallboardError {
    if (end !== 'closed') return end
    return new CallboardError('CB_E_STOPPED', `The log of run ${this.id} was closed here; open it again.`)
  }

  #finish(end: CallboardError | 'closed'): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#phase = 'ended'
    this.#stop.abort(end === 'closed' ? CLOSED : end)
    const left = [...this.#batches.clear().map(({ proposal }) => proposal), ...this.#unjudged]
    this.#unjudged = []
    if (left.length > 0) this.#failAll(left, this.#ending(end))
    this.#tellMoved()
  }

  #failAll(proposals: readonly Proposal[], error: CallboardError): void {
    for (const proposal of proposals) {
      this.#unanswered--
      proposal.failed?.(error)
    }
  }

  /** Resolves once nothing is unanswered or on its way. */
  async #settle(): Promise<void> {
    while (!this.ended && (this.#unanswered > 0 || this.#pumping || !this.#batches.isEmpty)) {
      this.flush()
      await new Promise<void>((resolve) => this.#whenMoved.push(resolve))
    }
  }

  #tellMoved(): void {
    if (this.#whenMoved.length > 0) for (const resolve of this.#whenMoved.splice(0)) resolve()
  }
}
