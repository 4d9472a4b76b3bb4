/**
 * One run in its host: from the claim to the moment it ends, is parked, or is taken away. The log decides; this starts
 * the code and lets it go, following the flow run from one state to the next.
 *
 * Invariants
 * (O1) What is done here follows from states that are in the log, never from speculation. A run that by its log is not
 *      in our hands any more is let go at once.
 * (O2) An execution of the code belongs to one attempt. When another attempt begins, the old execution is told to leave
 *      and is not heard any more, whatever it still does.
 * (O3) A cancelled run ends when nothing of its code runs any more, or its grace has passed. What cannot be killed is
 *      fenced by (O2) and recorded as abandoned.
 * (O4) A paused run is quiet when the last body has ended; that is recorded once.
 */

import type { Cursor, Rev } from '../broker/index.ts'
import { CallboardError, isCallboardError, type Timer } from '../core/index.ts'
import type { BodyOutcome, LeaveReason, Runner } from './channel.ts'
import { tellChildren } from './children.ts'
import { effectsOf, enqueueRun, type PlacedEffect } from './effects.ts'
import type { FlowEvent } from './events.ts'
import { Execution } from './execution.ts'
import { GRACE_MARGIN_MS } from './flow-plans.ts'
import type { HostContext } from './host-context.ts'
import { HostedValues } from './hosted-values.ts'
import { runAddress } from './messages.ts'
import { flowEventOf, isUnkeepable, resultIn, unkeepable, withResultIn } from './outcomes.ts'
import type { CreatedRecord, RunRecord } from './records.ts'
import { judgeFlow } from './rules.ts'
import { RunLog } from './run-log.ts'
import type { ChartSnapshot, FlowContext, RunState } from './run-state.ts'
import { parseTag, type StateTag } from './states.ts'
import type { Awaited } from './waits.ts'

export interface HostedRunOptions {
  readonly context: HostContext
  readonly runner: Runner
  readonly state: RunState
  /** The run does not exist yet; see `RunLogOptions.created`. */
  readonly created?: CreatedRecord
  /** See `RunLogOptions.at`. */
  readonly at?: Cursor
  /** It is not hosted here any more; `broken` says why it cannot be, though nobody has taken it. */
  over(run: HostedRun, broken?: CallboardError): void
  /** Whether it only waits has changed. */
  changed(run: HostedRun): void
}

/** Less time than this is waited out where one is. */
const MIN_PARK_MS = 1_000

export class HostedRun {
  readonly id: string
  readonly log: RunLog
  readonly #values: HostedValues
  readonly #options: HostedRunOptions
  readonly #context: HostContext
  /** The epoch of our claim, once it is in the log. */
  #epoch: number | undefined
  /** As it is in the log. */
  #flow: ChartSnapshot<FlowContext>
  #execution: Execution | undefined
  #isOver = false
  #isWaiting = false
  #draining: 'no' | 'waiting' | 'released' = 'no'
  #grace: Timer | undefined
  #isCancelling = false
  /** The beginning of the hold whose quiet is on its way into the log. */
  #quiesced: number | undefined

  constructor(options: HostedRunOptions) {
    const { at, context, state, created } = options
    this.id = state.id
    this.#options = options
    this.#context = context
    this.#flow = state.flow
    this.log = new RunLog(context.broker, context.deps, state, {
      flusher: context.flusher,
      worker: context.worker,
      outlasts: true,
      ...(created === undefined ? {} : { created }),
      ...(at === undefined ? {} : { at }),
      listener: {
        committed: (records, rev, flow) => this.#committed(records, rev, flow),
        reloaded: (reloaded) => this.#reloaded(reloaded),
        ended: (error) => this.#logEnded(error),
      },
    })
    this.#values = new HostedValues(context, this.log)
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get epoch(): number | undefined {
    return this.#epoch
  }

  /** Whether all its code does is wait; it takes no slot of the worker then. */
  get isWaiting(): boolean {
    return this.#isWaiting
  }

  get execution(): Execution | undefined {
    return this.#execution
  }

  /** Whatever may have had to wait for this worker may begin now. */
  proceed(): void {
    if (parseTag(this.#flow.tag).type === 'RUNNING') this.#execution?.proceed()
  }

  /**
   * Gives the run back in good order as soon as it has come to rest: no body runs here, and its code waits for an
   * answer. With `now`, whatever runs.
   */
  drain(options: { readonly now: boolean }): void {
    if (this.#isOver || this.#epoch === undefined || this.#draining === 'released') return
    this.#draining = 'waiting'
    if (!options.now && this.#execution?.isAtRest === false) return
    this.#draining = 'released'
    this.#propose({ type: 'RELEASE', at: this.#now(), epoch: this.#epoch })
  }

  /** This worker takes itself for lost: nothing more of this run happens here. */
  fence(reason: string): void {
    this.log.abandon(
      new CallboardError('CB_E_FENCED', `Run ${this.id} is not hosted here any more: ${reason}.`),
    )
    this.#end('fenced')
  }

  /**
   * Claims the run and starts it, in one entry; with `mayStart` false it waits for its slots instead. `false` when it
   * is not for us: somebody else has it, it is not due, or it has ended. It is over then.
   */
  async claim(options: { readonly mayStart: boolean }): Promise<boolean> {
    const { worker } = this.#context
    const at = this.#now()
    let epoch: number | undefined
    const claim = this.log.propose((state) => {
      const { context } = state.flow
      epoch = undefined
      const due = context.timers.start?.due ?? at
      if (due > at) return { is: 'wait', retryAfterMs: due - at }
      const judgement = judgeFlow({ type: 'CLAIM', at, worker })(state)
      if (judgement.is === 'write') epoch = context.epoch + 1
      return judgement
    })
    const limits = this.#context.limitsOf(this.log.state.created)
    const next: FlowEvent = options.mayStart ? { type: 'START', at } : { type: 'SLOT_WAIT', at, limits }
    const begin = this.log.propose((state) =>
      state.flow.context.epoch === epoch ? judgeFlow(next)(state) : { is: 'ignored' },
    )
    const [claimed] = await Promise.all([claim, begin])
    if (claimed.outcome === 'applied') return true
    this.#context.slots.forget({ run: this.id }) // whoever has the run has its slots
    this.#end('ended')
    return false
  }

  /** A limit will not let it run: it is cancelled, and over here. */
  async refuse(reason: string): Promise<void> {
    const by = { channel: 'limit' }
    await this.log.propose(judgeFlow({ type: 'CANCEL', at: this.#now(), by, message: reason }), {
      patient: true,
    })
    this.#end('cancelled')
  }

  // ── what the log says

  #committed(records: readonly RunRecord[], rev: Rev, flow: ChartSnapshot<FlowContext>): void {
    let hasEffects = false
    for (const record of records) {
      if (record.k === 'flow' && record.e.type === 'CLAIM' && record.e.worker === this.#context.worker)
        this.#claimed(flow.context.epoch)
      this.#execution?.committed(record)
      hasEffects ||= 'fx' in record
    }
    if (hasEffects) for (const placed of effectsOf(this.id, rev, records, 1)) this.#perform(placed)
    if (flow !== this.#flow) this.#follow(flow)
    this.#changed()
  }

  #reloaded(state: RunState): void {
    if (this.#epoch === undefined) return
    this.#execution?.reloaded(state)
    this.#follow(state.flow)
    this.#changed()
  }

  #claimed(epoch: number): void {
    this.#epoch = epoch
    this.log.own(epoch)
  }

  #logEnded(error: CallboardError): void {
    const { logger } = this.#context.deps
    if (isCallboardError(error, 'CB_E_FENCED')) {
      logger.info({ run: this.id, epoch: this.#epoch }, error.message)
      this.#end('fenced')
    } else if (this.#isOver) {
      logger.warn({ run: this.id, error }, 'the last of what a run had to write was not written')
    } else {
      logger.error({ run: this.id, error }, 'a run cannot be hosted any more')
      this.#end('fenced', error)
    }
  }

  /** (O1) */
  #follow(flow: ChartSnapshot<FlowContext>): void {
    this.#flow = flow
    if (this.#isOver || this.#epoch === undefined) return
    if (flow.context.worker !== this.#context.worker || flow.context.epoch !== this.#epoch) {
      this.#end(this.#draining === 'released' ? 'draining' : reasonToLeave(flow.tag))
      return
    }
    const { type } = parseTag(flow.tag)
    switch (type) {
      case 'RUNNING':
        this.#quiesced = undefined
        this.#execute(flow)
        this.#execution?.proceed()
        return
      case 'PAUSED':
        this.#execute(flow)
        return
      case 'CANCELLING':
        this.#cancel(flow)
        return
      case 'SCHEDULED': // between two attempts
        this.#letGo(this.#execution, 'ended')
        return
    }
  }

  // ── the code

  /** (O2) */
  #execute(flow: ChartSnapshot<FlowContext>): void {
    if (this.#execution?.runCount === flow.context.runCount) return
    this.#letGo(this.#execution, flow.tag === 'RUNNING.Retrying' ? 'timed-out' : 'ended')
    const execution: Execution = new Execution({
      context: this.#context,
      log: this.log,
      values: this.#values,
      runner: this.#options.runner,
      runCount: flow.context.runCount,
      ended: (outcome) => {
        if (execution === this.#execution) this.#codeEnded(outcome)
      },
      changed: () => {
        if (execution === this.#execution) this.#changed()
      },
      parkable: (awaited) => {
        if (execution === this.#execution) this.#park(awaited)
      },
    })
    this.#execution = execution
  }

  #codeEnded(outcome: BodyOutcome): void {
    const event = flowEventOf(outcome, this.#now())
    this.#values.store(
      resultIn(event),
      (result) => this.#proposeEnd(withResultIn(event, result)),
      (error) => this.#proposeEnd(unkeepable(error, event.at)),
    )
  }

  #proposeEnd(event: FlowEvent): void {
    this.log.submit({
      judge: judgeFlow(event),
      patient: true,
      settled: (answer) => {
        if (answer.outcome === 'rejected')
          this.#context.deps.logger.debug(
            { run: this.id, reason: answer.reason },
            'how the code ended does not count',
          )
      },
      failed: (error) => {
        if (isUnkeepable(error)) this.#proposeEnd(unkeepable(error, event.at))
      },
    })
  }

  #park({ until, at, signals }: Awaited): void {
    if (parseTag(this.#flow.tag).type !== 'RUNNING' || (until !== null && until - at < MIN_PARK_MS)) return
    this.#propose({ type: 'PARK', at: Math.round(at), until, signals })
  }

  /** (O3) */
  #cancel({ context }: ChartSnapshot<FlowContext>): void {
    if (this.#isCancelling) return
    this.#isCancelling = true
    const execution = this.#execution
    if (execution === undefined) {
      this.#cancelled(false)
      return
    }
    execution.leave('cancelled')
    const due = context.timers.grace?.due ?? this.#now()
    const graceMs = due - GRACE_MARGIN_MS - this.log.state.state.at
    this.#grace = this.#context.dueTimes.after(graceMs, () => {
      execution.kill().then(
        (left) => this.#cancelled(left === 'abandoned'),
        () => this.#cancelled(true),
      )
    })
    void execution.gone().then(() => this.#cancelled(false))
  }

  #cancelled(abandoned: boolean): void {
    if (this.#isOver) return
    this.#grace?.cancel()
    this.#propose({ type: 'CANCELLED', at: this.#now(), ...(abandoned ? { abandoned } : {}) })
  }

  /** Something here has changed: it may be quiet now (O4), or ready to be given back. */
  #changed(): void {
    if (this.#isOver) return
    const { tag, context } = this.#flow
    const { hold } = context
    const isPaused = tag.startsWith('PAUSED.')
    const isQuiet = (this.#execution?.bodies ?? 0) === 0
    if (isPaused && isQuiet && hold?.quiescedAt === null && this.#quiesced !== hold.since) {
      this.#quiesced = hold.since
      this.#propose({ type: 'QUIESCED', at: this.#now() })
    }
    if (this.#draining === 'waiting') this.drain({ now: false })
    const isResting = isPaused || tag === 'SCHEDULED.AwaitingRetry'
    const isWaiting = isResting || (this.#execution?.isWaiting ?? false)
    if (isWaiting === this.#isWaiting) return
    this.#isWaiting = isWaiting
    this.#options.changed(this)
  }

  // ── effects of what was written: at once, for speed; the holder of the partition performs all of them as well

  #perform({ id, effect, task }: PlacedEffect): void {
    const { broker, deps, slots } = this.#context
    const quietly = (done: Promise<unknown>) => {
      done.catch((error) => {
        deps.logger.debug({ run: this.id, effect, error }, 'left to the scheduler')
      })
    }
    switch (effect.do) {
      case 'enqueue':
        quietly(enqueueRun(broker.queue, { run: this.id }, effect.target, id))
        return
      case 'release-slots':
        slots.release(task === undefined ? { run: this.id } : { run: this.id, task })
        if (task !== undefined) this.#execution?.tasks.slotsReleased(task)
        return
      case 'tell-children':
        quietly(tellChildren(broker, deps, this.log.state, effect.signal, id))
        return
      case 'tell-parent': {
        const parent = this.log.state.created.parent?.run
        if (parent !== undefined)
          quietly(broker.bus.publish(runAddress(parent), { op: 'child-ended', child: this.id }))
        return
      }
      default: // timers are the scheduler's; we are the host that is nudged
    }
  }

  // ── the end

  #end(reason: LeaveReason, broken?: CallboardError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#grace?.cancel()
    this.#letGo(this.#execution, reason)
    // A run that waits for a slot keeps its place in the line: the holder of its partition speaks for it now.
    if (this.#flow.tag === 'SCHEDULED.AwaitingConcurrencySlot') this.#context.slots.forget({ run: this.id })
    else this.#context.slots.releaseRun(this.id)
    this.#context.closing.close(this.log)
    this.#options.over(this, broken)
  }

  #letGo(execution: Execution | undefined, reason: LeaveReason): void {
    if (execution === undefined) return
    const { graceMs } = this.log.state.created.policy
    this.#context.leavers.letGo({ run: this.id, execution, reason, graceMs })
  }

  #propose(event: FlowEvent): void {
    this.log.submit({ judge: judgeFlow(event), patient: true })
  }

  #now(): number {
    return this.#context.deps.clock.now()
  }
}

/** Why code is told to leave a run that is not in our hands any more. */
function reasonToLeave(tag: StateTag): LeaveReason {
  const { type, name } = parseTag(tag)
  if (type === 'CANCELLED') return 'cancelled'
  if (name === 'Suspended') return 'suspended'
  if (name === 'Sleeping' || name === 'Waiting') return 'parked'
  if (name === 'TimedOut') return 'timed-out'
  return type === 'COMPLETED' || type === 'FAILED' || type === 'CRASHED' ? 'ended' : 'fenced'
}
