/**
 * One following of the log: reads pages of its own until it has come to the tail's window, then takes what is there,
 * parks at its end and is told.
 *
 * Invariants
 * (W1) The handler gets every entry its filter lets through, once, in the order of the log; the next batch waits for
 *      its promise.
 * (W2) It buffers one page at most. What is committed while the handler is busy stays in the store until then.
 * (W3) After `ended` has settled the handler is not called again and its last call has settled.
 * (W4) It has caught up wherever it learns that it stands at the target: the tail may know less than the store does, and
 *      tell the rest later, with nothing in it for this follower.
 */

import { CallboardError } from '../../../core/index.ts'
import type { Entry, FollowFilter, Following } from '../../port.ts'
import type { Seat } from '../seat.ts'
import type { LogTable, Page } from './table.ts'
import type { LogTail, TailListener } from './tail.ts'

export interface FollowerOptions {
  readonly filter: FollowFilter
  /** It begins with what comes after this `seq`. */
  readonly after: number
  /** It has caught up when it has come this far. */
  readonly target: number
  readonly handler: (entries: readonly Entry[]) => void | Promise<void>
  /** See `FollowOptions`. */
  readonly gatherMs: number
}

type Phase =
  | { is: 'working' }
  | { is: 'gathering'; cut(): void }
  | { is: 'parked'; wake(page: Page | undefined): void }
  | { is: 'ended' }

export function startFollower(
  seat: Seat,
  table: LogTable,
  tail: LogTail,
  options: FollowerOptions,
): Following {
  const { handler, target, gatherMs } = options
  const readPage = table.reader(options.filter)
  const wants = (partition: number) =>
    options.filter.partitions === 'all' || options.filter.partitions.has(partition)
  const caughtUp = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  for (const promise of [caughtUp.promise, ended.promise]) promise.catch(() => {})
  let phase: Phase = { is: 'working' }
  let position = options.after
  let handling: Promise<void> | undefined

  const listener: TailListener = {
    get position() {
      return position
    },
    tell(page) {
      if (phase.is !== 'parked') return false
      const mine = page && wanted(page)
      if (mine?.rows.length === 0) {
        cameTo(mine.upTo)
        return true
      }
      phase.wake(mine)
      return false
    },
  }

  const isEnded = () => phase.is === 'ended'

  /** The part of a page of all partitions that is for us, and not behind us. */
  function wanted({ rows, upTo, more }: Page): Page {
    return {
      rows: rows.filter((row) => row.seq > position && wants(row.partition)),
      upTo: Math.max(position, upTo),
      more,
    }
  }

  function inWindow(): Page | undefined {
    const page = tail.page(position)
    return page && wanted(page)
  }

  async function inStore(moment: number): Promise<Page> {
    const page = await seat.read(() => readPage(position))
    if (!page.more) tail.attend(page.upTo, moment)
    return page
  }

  /** (W4) */
  function cameTo(seq: number): void {
    position = seq
    if (position >= target) caughtUp.resolve()
  }

  async function run(): Promise<void> {
    let told: Page | undefined
    while (!isEnded()) {
      const moment = tail.moment()
      const page: Page = told ?? inWindow() ?? (await inStore(moment))
      told = undefined
      if (page.rows.length > 0) await handOver(page)
      else if (page.more) await seat.turn() // nothing for us so far, and a long way to go
      if (isEnded()) return
      cameTo(page.upTo)
      if (page.more) continue
      if (page.rows.length === 0) told = await parked(moment)
      else if (gatherMs > 0) await gathering()
    }
  }

  async function handOver(page: Page): Promise<void> {
    await seat.turn()
    if (isEnded()) return
    const entries = page.rows.map(table.entryOf)
    handling = (async () => handler(entries))()
    await handling
    handling = undefined
  }

  /** Stays away from the tail for a while. */
  function gathering(): Promise<void> {
    return new Promise((resolve) => {
      const gathered = () => {
        if (phase.is === 'gathering') phase = { is: 'working' }
        resolve()
      }
      const timer = seat.deps.clock.setTimer(gatherMs, gathered, { ref: false })
      phase = {
        is: 'gathering',
        cut() {
          timer.cancel()
          resolve()
        },
      }
    })
  }

  /** Waits at the tail; resolves with what was told, or with nothing when it has to look for itself. */
  function parked(lookedAt: number): Promise<Page | undefined> | undefined {
    if (isEnded() || !tail.park(listener, lookedAt)) return undefined
    return new Promise((resolve) => {
      phase = {
        is: 'parked',
        wake(page) {
          phase = { is: 'working' }
          resolve(page)
        },
      }
    })
  }

  function end(failure?: { readonly cause: unknown }): void {
    if (phase.is === 'ended') return
    const before = phase
    tail.unpark(listener)
    if (before.is === 'parked') before.wake(undefined)
    if (before.is === 'gathering') before.cut()
    phase = { is: 'ended' }
    disown()
    caughtUp.reject(
      failure
        ? failure.cause
        : new CallboardError('CB_E_STOPPED', 'The following was stopped before it had caught up.'),
    )
    const settle = () => (failure ? ended.reject(failure.cause) : ended.resolve())
    if (handling) handling.then(settle, settle)
    else settle()
  }

  const disown = seat.own(end)
  cameTo(position)
  run().catch((cause) => end({ cause }))
  return {
    caughtUp: caughtUp.promise,
    ended: ended.promise,
    stop() {
      end()
      return ended.promise.catch(() => {})
    },
  }
}
