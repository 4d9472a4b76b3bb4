/**
 * Group commit: everything that wants to write gathers while the event loop turns, then goes to the disk in one
 * transaction. There is one committer per clock: a process has one, each simulated machine has its own.
 *
 * Invariants
 * (C1) Jobs run in the order they came. A job judges first and then writes, all within one transaction, so no
 *      other writer, here or in another process, comes between its judgement and its write.
 * (C2) A job that refuses (throws a coded error) has written nothing and fails alone; the rest of its group goes on.
 * (C3) A job may run more than once: after a rollback it judges anew. It changes nothing outside the transaction;
 *      what it learnt is handed out only after the commit.
 * (C4) Every job gets exactly one answer: its result after the commit, or a coded error.
 * (C5) A lock held by another process blocks this one for a few milliseconds at most; after that the group waits
 *      on a timer until its deadline.
 * (C6) What waits is bounded in number and bytes: beyond that, CB_E_BUSY.
 */

import { CallboardError, type Deps, isCallboardError } from '../../../core/index.ts'
import { waitBefore } from './patience.ts'
import { storeError, troubleOf } from './sqlite.ts'
import type { Store } from './store.ts'

export interface WriteOptions {
  /** `false`: losing it in a power cut does no harm, so nobody waits for the disk on its account. */
  readonly durable: boolean
  /** Roughly what it will write: for the bounds. */
  readonly bytes: number
  /** How long it may wait for the lock, milliseconds. */
  readonly patienceMs: number
}

/** Takes part in every transaction: told before a group commits, and how it ended. */
export interface Participant {
  /** The last chance to write in this transaction. */
  committing?(): void
  /** What was gathered is true now. `true` when another process may be waiting for it. */
  committed(): boolean
  /** What was gathered never happened. */
  rolledBack(): void
}

export interface Committer {
  /**
   * Runs `work` in the next transaction; resolves with what it returned once that is committed.
   *
   * @throws CB_E_BUSY, CB_E_STORE_FULL, CB_E_STORE_DAMAGED, CB_E_BROKER_UNAVAILABLE, and whatever `work` refuses with
   */
  write<T>(work: () => T, options: WriteOptions): Promise<T>
}

export interface CommitHooks {
  readonly participants: readonly Participant[]
  /** Other processes may be waiting for what was just committed. */
  announce(): void
}

interface Job {
  readonly durable: boolean
  readonly bytes: number
  readonly deadline: number
  /** Judges and writes; returns what hands the result out. */
  run(): () => void
  fail(error: CallboardError): void
}

type GroupEnd =
  | { readonly is: 'committed' }
  /** Somebody else holds the lock; nothing was done. */
  | { readonly is: 'busy'; readonly cause: unknown }
  /** Rolled back. `alone`: one of the jobs is at fault, and the others would go through without it. */
  | { readonly is: 'failed'; readonly cause: unknown; readonly alone: boolean }

const MOST_WAITING = 200_000
const MOST_WAITING_BYTES = 128 * 1024 * 1024
/** One transaction takes no more than this, so that a flood does not hold up the event loop for long. */
const MOST_IN_GROUP = 2_048
const MOST_GROUP_BYTES = 8 * 1024 * 1024

export function committer(store: Store, deps: Pick<Deps, 'clock' | 'random'>, hooks: CommitHooks): Committer {
  const { clock, random } = deps
  let waiting: Job[] = []
  let waitingBytes = 0
  let armed = false
  let busyTries = 0

  function arm(): void {
    if (armed || waiting.length === 0) return
    armed = true
    if (busyTries === 0) clock.defer(flush)
    else clock.setTimer(waitBefore(busyTries, random), flush)
  }

  function flush(): void {
    armed = false
    const group = takeGroup()
    const end = commitGroup(group)
    if (end.is === 'busy') putBack(group, end.cause)
    else {
      busyTries = 0
      if (end.is === 'failed') fail(group, end)
    }
    arm()
  }

  function takeGroup(): readonly Job[] {
    let bytes = 0
    let size = 0
    for (const job of waiting) {
      if (size === MOST_IN_GROUP || (size > 0 && bytes + job.bytes > MOST_GROUP_BYTES)) break
      bytes += job.bytes
      size++
    }
    const group = size === waiting.length ? waiting : waiting.slice(0, size)
    waiting = size === waiting.length ? [] : waiting.slice(size)
    waitingBytes -= bytes
    return group
  }

  /** One transaction. On success everything has its answer. */
  function commitGroup(group: readonly Job[]): GroupEnd {
    try {
      store.begin(group.some((job) => job.durable))
    } catch (cause) {
      return troubleOf(cause) === 'busy' ? { is: 'busy', cause } : { is: 'failed', cause, alone: false }
    }
    const answers: (() => void)[] = []
    try {
      for (const job of group) answers.push(judge(job))
      for (const participant of hooks.participants) participant.committing?.()
      store.commit()
    } catch (cause) {
      store.rollback()
      for (const participant of hooks.participants) participant.rolledBack()
      const trouble = troubleOf(cause)
      if (trouble === 'busy') return { is: 'busy', cause }
      return { is: 'failed', cause, alone: trouble === 'defect' || trouble === undefined }
    }
    for (const answer of answers) answer()
    let awaited = false
    for (const participant of hooks.participants) awaited = participant.committed() || awaited
    if (awaited) hooks.announce()
    return { is: 'committed' }
  }

  /** (C2) */
  function judge(job: Job): () => void {
    try {
      return job.run()
    } catch (error) {
      if (!isCallboardError(error)) throw error
      return () => job.fail(error)
    }
  }

  /** (C5) */
  function putBack(group: readonly Job[], cause: unknown): void {
    busyTries++
    const now = clock.monotonic()
    const patient = group.filter((job) => job.deadline > now)
    const late = group.filter((job) => job.deadline <= now)
    if (late.length > 0) {
      const error = storeError(store.where, cause)
      for (const job of late) job.fail(error)
    }
    waiting = patient.concat(waiting)
    for (const job of patient) waitingBytes += job.bytes
  }

  function fail(group: readonly Job[], end: Extract<GroupEnd, { is: 'failed' }>): void {
    if (!end.alone || group.length === 1) {
      const error = storeError(store.where, end.cause)
      for (const job of group) job.fail(error)
      return
    }
    for (const [index, job] of group.entries()) {
      const single = commitGroup([job])
      if (single.is === 'busy') {
        putBack(group.slice(index), single.cause)
        return
      }
      if (single.is === 'failed') job.fail(storeError(store.where, single.cause))
    }
  }

  return {
    write(work, { durable, bytes, patienceMs }) {
      if (waiting.length >= MOST_WAITING || waitingBytes + bytes > MOST_WAITING_BYTES)
        return Promise.reject(
          new CallboardError(
            'CB_E_BUSY',
            `${waiting.length} writes wait for the store ${store.where} already. Try again after a moment.`,
          ),
        )
      return new Promise((resolve, reject) => {
        waiting.push({
          durable,
          bytes,
          deadline: clock.monotonic() + patienceMs,
          run() {
            const result = work()
            return () => resolve(result)
          },
          fail: reject,
        })
        waitingBytes += bytes
        arm()
      })
    },
  }
}
