/**
 * Errands that this worker runs for flow runs that are elsewhere: taken from its queues, run by whichever of its runners
 * has the code, and reported to the host of the run.
 *
 * Invariants
 * (H1) An item is acknowledged once the host of its run knows who runs it, or its log says that nobody need.
 * (H2) A report is repeated until it is in the log: the host writes it, or it is written from here when there is none.
 * (H3) The host hears of what runs here three times in a lease; what it does not want any more is told to leave.
 * (H4) An errand takes a slot until nothing of its code runs any more and it is reported.
 */

import { isRetryable, type JsonValue, type Timer } from '../core/index.ts'
import { untilAnswered } from './append.ts'
import { applyToRun } from './apply.ts'
import type { BodyOutcome, LeaveReason, RunStart } from './channel.ts'
import { type Errand, isErrandOver, judgeErrands } from './errand.ts'
import { ErrandBody } from './errand-body.ts'
import { type ErrandMessage, type ErrandReport, isErrandsDropped } from './errand-messages.ts'
import { errandPort } from './errand-port.ts'
import { failureOf } from './failures.ts'
import { Gathering } from './gathering.ts'
import type { HostContext } from './host-context.ts'
import { parseRunReply, type RunReply, runAddress } from './messages.ts'
import { openRun } from './open-run.ts'
import { isUnkeepable } from './outcomes.ts'
import type { RunState } from './run-state.ts'
import { asJson } from './shape.ts'
import { parseTag } from './states.ts'
import { fitsWithin, loadValue, storeValue } from './values.ts'

/** How many are asked for, or reported, in one message. */
const MOST_TOGETHER = 100
/** A larger report goes alone: so many of these fit into one entry. */
const SMALL_BYTES = 4 * 1024
/** How long the host may take to bring a report into the log, before it is written from here. */
const REPORTED_WITHIN_MS = 10_000

export class ErrandsIn {
  readonly #context: HostContext
  /** There is one less. */
  readonly #freed: () => void
  readonly #bodies = new Map<string, ErrandBody>()
  /** From a queue, and not begun yet. */
  readonly #asked = new Set<string>()
  readonly #takes: Gathering<string, boolean>
  readonly #reports: Gathering<ErrandReport, unknown>
  readonly #stopped = new AbortController()
  #whenEmpty: (() => void)[] = []
  #beating: Timer | undefined

  constructor(context: HostContext, freed: () => void) {
    this.#context = context
    this.#freed = freed
    const { clock } = context.deps
    const most = MOST_TOGETHER
    this.#takes = new Gathering({ clock, most, send: (run, keys) => this.#ask(run, keys) })
    this.#reports = new Gathering<ErrandReport, unknown>({
      clock,
      most,
      send: async (run, done) => {
        await this.#tell(run, done)
        return done
      },
    })
  }

  /** How many run here. */
  get size(): number {
    return this.#bodies.size
  }

  /** Begins it, if the host of its run lets it. */
  async take(errand: Errand): Promise<'claimed' | 'stale' | 'not-served'> {
    const { key, start } = errand
    const runner = this.#context.runners.find((candidate) => candidate.serves(start.flow))
    if (runner === undefined) return 'not-served'
    const name = nameOf(start.run, key)
    if (this.#bodies.has(name) || this.#asked.has(name)) return 'stale'
    this.#asked.add(name)
    try {
      if (!(await this.#takes.add(start.run, key))) return 'stale' // (H1)
    } finally {
      this.#asked.delete(name)
    }
    const { dueTimes } = this.#context
    const body = new ErrandBody({ errand, runner, dueTimes, load: (given) => this.#loaded(given) })
    this.#bodies.set(name, body)
    this.#armBeat()
    void this.#live(body)
    return 'claimed'
  }

  /** An item that is given up: the host puts it into the queue again. */
  giveUp({ key, start }: Errand): Promise<void> {
    return this.#return(start.run, [key])
  }

  /** The host of a run does not want some of them any more. */
  dropped(message: JsonValue): void {
    if (!isErrandsDropped(message)) return
    for (const key of message.keys) this.#bodies.get(nameOf(message.run, key))?.leave(message.reason)
  }

  /** All of them are given back to their hosts, whatever they do. */
  giveBack(): void {
    for (const [run, bodies] of this.#byRun()) {
      for (const body of bodies) body.leave('draining')
      void this.#return(
        run,
        bodies.map(({ key }) => key),
      )
    }
  }

  /** This worker takes itself for lost: nothing more is heard from any of them. */
  fence(): void {
    for (const body of this.#bodies.values()) body.leave('fenced')
  }

  /** Resolves when there is none. */
  empty(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#bodies.size === 0) resolve()
      else this.#whenEmpty.push(resolve)
    })
  }

  stop(): void {
    this.#beating?.cancel()
    this.#stopped.abort()
    this.fence()
  }

  // ── one of them

  async #live(body: ErrandBody): Promise<void> {
    const { broker, deps, worker } = this.#context
    const { key, run, signal } = body
    const fenced = () => {
      body.leave('fenced')
      void this.#return(run, [key])
    }
    const stopping = this.#stopped.signal
    const port = errandPort({ broker, deps, worker, run, key, signal, stopping, fenced })
    const outcome = await body.live(port)
    if (outcome !== undefined) await this.#report(run, key, outcome)
    this.#bodies.delete(nameOf(run, key)) // (H4)
    if (this.#bodies.size === 0) for (const resolve of this.#whenEmpty.splice(0)) resolve()
    this.#freed()
  }

  async #loaded(start: RunStart): Promise<RunStart> {
    const { parameters } = start
    if (!('object' in parameters)) return start
    const { broker, deps } = this.#context
    const load = () => loadValue(broker.objects, parameters)
    return { ...start, parameters: { v: await untilAnswered(deps, this.#stopped.signal, load) } }
  }

  /** (H2) */
  async #report(run: string, key: string, outcome: BodyOutcome): Promise<void> {
    const { deps } = this.#context
    try {
      await untilAnswered(deps, this.#stopped.signal, async () => {
        const report = { key, outcome: await this.#stored(run, outcome) }
        if (fitsWithin(asJson(outcome), SMALL_BYTES)) await this.#reports.add(run, report)
        else await this.#tell(run, [report])
      })
    } catch (error) {
      if (this.#stopped.signal.aborted) return
      if (isUnkeepable(error) && outcome.is !== 'failed') return this.#report(run, key, unkept(error))
      deps.logger.error({ run, key, error }, 'what a task came to could not be reported')
    }
  }

  async #stored(run: string, outcome: BodyOutcome): Promise<BodyOutcome> {
    if (!('result' in outcome) || outcome.result === undefined) return outcome
    const { broker, deps } = this.#context
    return { ...outcome, result: await storeValue(broker.objects, deps, run, outcome.result) }
  }

  async #tell(run: string, done: readonly ErrandReport[]): Promise<void> {
    const { broker, deps } = this.#context
    const reply = await this.#request(run, { op: 'errands-done', done }, REPORTED_WITHIN_MS)
    if (reply?.outcome !== 'noted') await applyToRun(broker, deps, run, judgeErrands(done))
  }

  /** (H1) Which of these are to be run here. */
  async #ask(run: string, keys: readonly string[]): Promise<readonly boolean[]> {
    const { worker } = this.#context
    const reply = await this.#request(run, { op: 'errands-take', worker, keys })
    if (reply?.outcome === 'errands') return keys.map((key) => reply.keys.includes(key))
    const state = await this.#open(run)
    const mayBegin = state !== undefined && parseTag(state.flow.tag).type !== 'PAUSED'
    return keys.map((key) => mayBegin && !isErrandOver(state, key))
  }

  async #return(run: string, keys: readonly string[]): Promise<void> {
    const { deps, worker } = this.#context
    try {
      await this.#request(run, { op: 'errands-returned', worker, keys })
    } catch (error) {
      deps.logger.debug({ run, error }, 'the host of a run will miss what it is not told was given back')
    }
  }

  // ── heartbeats

  #armBeat(): void {
    const { dueTimes, leaseMs } = this.#context
    this.#beating ??= dueTimes.after(leaseMs / 3, () => {
      this.#beating = undefined
      if (this.#bodies.size === 0) return
      for (const [run, bodies] of this.#byRun()) void this.#beat(run, bodies)
      this.#armBeat()
    })
  }

  /** (H3) */
  async #beat(run: string, bodies: readonly ErrandBody[]): Promise<void> {
    const { deps, worker } = this.#context
    const keys = bodies.map(({ key }) => key)
    try {
      const reply = await this.#request(run, { op: 'errands-held', worker, keys })
      if (reply?.outcome === 'errands') {
        for (const body of bodies) if (!reply.keys.includes(body.key)) body.leave('ended')
        return
      }
      const state = await this.#open(run)
      const isCancelled = state?.flow.tag.startsWith('CANCELL') === true
      const reason: LeaveReason = isCancelled ? 'cancelled' : 'ended'
      for (const body of bodies)
        if (isCancelled || state === undefined || isErrandOver(state, body.key)) body.leave(reason)
    } catch (error) {
      if (!isRetryable(error)) deps.logger.warn({ run, error }, 'the run of a task cannot be looked at')
    }
  }

  // ── the way to the host

  async #request(run: string, message: ErrandMessage, timeoutMs?: number): Promise<RunReply | undefined> {
    const options = timeoutMs === undefined ? {} : { timeoutMs }
    const reply = await this.#context.broker.bus.request(runAddress(run), asJson(message), options)
    return reply.outcome === 'reply' ? parseRunReply(reply.value) : undefined
  }

  #open(run: string): Promise<RunState | undefined> {
    return openRun(this.#context.broker, this.#context.deps, run)
  }

  #byRun(): Map<string, ErrandBody[]> {
    return Map.groupBy(this.#bodies.values(), ({ run }) => run)
  }
}

function nameOf(run: string, key: string): string {
  return `${run}/${key}`
}

/** What the code said cannot be kept: it failed with that. */
function unkept(error: unknown): BodyOutcome {
  const failure = failureOf(error)
  return { is: 'failed', message: failure.message, failure, retryDelayMs: null }
}
