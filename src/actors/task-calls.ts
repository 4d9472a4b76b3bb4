/**
 * The task runs of one execution of a run's code: what the code asked for, what was answered, and what moves each of
 * them meanwhile. The log decides what becomes of a task run; this tells the code.
 *
 * Invariants
 * (K1) A body is let run once its START is judged, not once it is written: it rides with the next entry (the result,
 *      usually). Lost on the way, the body has run for nothing, which "at least once" allows.
 * (K2) A result is answered when its record is in the log.
 * (K3) When others wrote first, a START that was let through may be refused on the newer state (the run is paused by
 *      now). The body runs *ahead* then: its report is held until the START is accepted after all.
 * (K4) A report counts for the attempt it names and for no other.
 * (K5) Nothing starts while the flow run is not RUNNING, while this worker's lease is not fresh, or without slots.
 */

import { CallboardError, formatDuration, isCallboardError, type Timer } from '../core/index.ts'
import type { TaskAnswer, TaskCall, TaskReport } from './channel.ts'
import type { TaskEvent, ValueRef } from './events.ts'
import { failureOf } from './failures.ts'
import type { HostContext } from './host-context.ts'
import type { HostedValues } from './hosted-values.ts'
import type { Answer, Judgement } from './judgement.ts'
import { Lookup } from './lookup.ts'
import { resultIn, taskEventOf, unkeepable, withResultIn } from './outcomes.ts'
import type { TaskRecord } from './records.ts'
import { judgeTask, judgeTaskCall } from './rules.ts'
import type { RunLog } from './run-log.ts'
import type { RunState, TaskState } from './run-state.ts'
import { denialOf, type SlotDenial, type SlotWant } from './slots.ts'
import { isTerminalTag, parseTag } from './states.ts'

/**
 * `calling` not judged yet; `ready` may start; `queued` waits for a slot; `starting` its START is on its way to be
 * judged; `running` the body runs; `reporting` its outcome is on its way into the log; `resting` waits for a retry's
 * time, or to be resumed; `over` is answered.
 */
type Phase = 'calling' | 'ready' | 'queued' | 'starting' | 'running' | 'reporting' | 'resting' | 'over'

interface Open {
  readonly call: TaskCall
  phase: Phase
  /** Of the call, or of the report, that waits for an answer. */
  resolve: (answer: TaskAnswer) => void
  reject: (error: unknown) => void
  slots: 'none' | 'asked' | 'held'
  /** Of its wish for slots. */
  patience?: Timer | undefined
  /** (K3) With the report, once the body has ended. */
  ahead: { report?: TaskEvent } | undefined
}

export interface TaskCallsOptions {
  readonly context: HostContext
  readonly log: RunLog
  readonly values: HostedValues
  /** How many bodies run, or which calls are open, has changed. */
  changed(): void
}

export class TaskCalls {
  readonly #context: HostContext
  readonly #log: RunLog
  readonly #values: HostedValues
  readonly #changed: () => void
  readonly #open = new Lookup<string, Open>()
  #running = 0
  #resting = 0

  constructor({ context, log, values, changed }: TaskCallsOptions) {
    this.#context = context
    this.#log = log
    this.#values = values
    this.#changed = changed
  }

  /** Bodies that run, or whose outcome is not in the log yet. */
  get running(): number {
    return this.#running
  }

  /** Calls that are not answered for good. */
  get size(): number {
    return this.#open.size
  }

  /** Whether any call is open that does not just wait for time or for a person. */
  get isBusy(): boolean {
    return this.#open.size > this.#resting
  }

  // ── what the code says

  call(call: TaskCall): Promise<TaskAnswer> {
    return new Promise((resolve, reject) => {
      const open: Open = { call, phase: 'calling', resolve, reject, slots: 'none', ahead: undefined }
      this.#open.set(call.id, open)
      this.#changed()
      const then = (result: ValueRef | undefined) => this.#submitCall(open, withResult(call, result))
      this.#values.store(resultOf(call), then, (error) => this.#refuse(open, error))
    })
  }

  report({ id, attempt, outcome }: TaskReport): Promise<TaskAnswer> {
    return new Promise((resolve, reject) => {
      const open = this.#open.get(id)
      if (open?.phase !== 'running') return // (K4) nobody runs that body here
      open.resolve = resolve
      open.reject = reject
      this.#enter(open, 'reporting')
      const event = taskEventOf(outcome, this.#now())
      this.#values.store(
        resultIn(event),
        (result) => this.#submitReport(open, attempt, withResultIn(event, result)),
        (error) => this.#submitReport(open, attempt, unkeepable(error, event.at)),
      )
    })
  }

  async rollBack({ id, message }: { readonly id: string; readonly message?: string }): Promise<null> {
    const at = this.#now()
    const event: TaskEvent =
      message === undefined ? { type: 'ROLL_BACK', at } : { type: 'ROLL_BACK', at, message }
    await this.#log.propose(judgeTask(id, event), { patient: true })
    return null
  }

  /** Whoever had asked for it is not there any more: nothing is answered. Asked for again, it is recovered. */
  abandon(task: string): void {
    const open = this.#open.get(task)
    if (open !== undefined) this.#close(open)
  }

  // ── what the log says

  /** A record of a task run is in the log. */
  committed({ id, e, s }: TaskRecord): void {
    const open = this.#open.get(id)
    if (open === undefined) return
    if (isTerminalTag(s)) {
      this.#settle(open, false)
      return
    }
    switch (s) {
      case 'RUNNING.Retrying':
        if (e.type !== 'START') this.#run(open)
        return
      case 'SCHEDULED.AwaitingRetry':
        this.#enter(open, 'resting')
        return
      case 'PAUSED.Paused':
        this.#enter(open, 'resting')
        return
      case 'SCHEDULED.Scheduled':
      case 'SCHEDULED.AwaitingConcurrencySlot':
        if (open.phase !== 'resting') return
        this.#enter(open, 'ready')
        this.#start(open)
        return
    }
  }

  /** The state was read anew; proposals on their way will be judged again. */
  reloaded(state: RunState): void {
    for (const open of this.#open.values()) {
      const task = state.tasks.get(open.call.id)
      if (task === undefined || open.phase !== 'resting') continue
      const { tag } = task.snapshot
      if (isTerminalTag(tag)) this.#settle(open, false)
      else if (tag === 'RUNNING.Retrying') this.#run(open)
      else if (tag === 'SCHEDULED.Scheduled' || tag === 'SCHEDULED.AwaitingConcurrencySlot')
        this.#enter(open, 'ready')
    }
  }

  /** The flow run is RUNNING (again), or the lease is fresh again: whatever had to wait may begin (K5). */
  proceed(): void {
    for (const open of this.#open.values()) {
      if (open.phase === 'ready') this.#start(open)
      else if (open.ahead !== undefined) this.#submitStart(open) // (K3)
    }
  }

  slotGranted(task: string): void {
    const open = this.#open.get(task)
    if (open === undefined) return
    open.slots = 'held'
    open.patience?.cancel()
    if (open.phase === 'queued') this.#enter(open, 'ready')
    this.#start(open)
  }

  /** Code that asked for the slots itself is told why; any other task run is Cancelled. */
  slotDenied(task: string, denial: SlotDenial): void {
    const open = this.#open.get(task)
    if (open === undefined || open.phase === 'over') return
    const message = denialOf(denial)
    if (open.call.wish !== undefined && denial.code !== undefined)
      this.#deny(open, new CallboardError(denial.code, message))
    else
      this.#log.submit({
        judge: judgeTask(task, { type: 'CANCEL', at: this.#now(), message }),
        patient: true,
      })
  }

  // ── a call, step by step

  #submitCall(open: Open, call: TaskCall): void {
    let isReplay = false
    this.#log.submit({
      judge: judgeTaskCall(call, this.#now()),
      lazy: true,
      patient: true,
      judged: (judgement) => {
        isReplay = judgement.is === 'known'
        if (open.phase === 'calling' && judgement.is !== 'rejected') this.#called(open)
      },
      settled: (answer) => this.#callSettled(open, answer, isReplay),
      failed: (error) => this.#refuse(open, error),
    })
  }

  /** The task run is in the table: where does it stand? */
  #called(open: Open): void {
    const task = this.#task(open)
    if (task === undefined || isTerminalTag(task.snapshot.tag)) return // answered when it is settled (K2)
    switch (parseTag(task.snapshot.tag).name) {
      case 'AwaitingRetry':
      case 'Paused':
        this.#enter(open, 'resting')
        return
      default:
        this.#enter(open, 'ready')
        this.#start(open)
    }
  }

  #callSettled(open: Open, answer: Answer, isReplay: boolean): void {
    if (open.phase === 'over') return
    if (answer.outcome === 'rejected') {
      const { type } = parseTag(answer.tag)
      if (type !== 'RUNNING' && type !== 'PAUSED') return // the run takes no calls any more: the code must leave
      this.#answer(open, { do: 'mismatch', message: answer.reason })
      return
    }
    const task = this.#task(open)
    if (task !== undefined && isTerminalTag(task.snapshot.tag)) this.#settle(open, isReplay)
  }

  /** (K5) */
  #start(open: Open): void {
    if (open.phase !== 'ready' || !this.#context.mayBegin() || !isRunning(this.#log.state)) return
    const limits = open.call.limits ?? []
    if (limits.length > 0 && open.slots !== 'held') {
      this.#askForSlots(open, limits)
      return
    }
    this.#enter(open, 'starting')
    this.#submitStart(open)
  }

  #submitStart(open: Open): void {
    const { id } = open.call
    this.#log.submit({
      judge: judgeTask(id, { type: 'START', at: this.#now() }),
      lazy: true,
      patient: true,
      judged: (judgement) => this.#started(open, judgement),
      failed: (error) => this.#refuse(open, error),
    })
  }

  #started(open: Open, judgement: Judgement): void {
    const isAccepted = judgement.is === 'write'
    if (open.phase === 'starting') {
      if (isAccepted) this.#run(open)
      else this.#enter(open, 'ready')
    } else if (isAccepted) {
      this.#caughtUp(open)
    } else if (open.phase === 'running' || open.phase === 'reporting') {
      open.ahead ??= {} // (K3)
    }
  }

  /** (K3) The START that the body was ahead of is accepted; with it, what the body has said meanwhile. */
  #caughtUp(open: Open): void {
    const report = open.ahead?.report
    open.ahead = undefined
    if (report !== undefined)
      this.#submitReport(open, this.#task(open)?.snapshot.context.runCount ?? 0, report)
  }

  #submitReport(open: Open, attempt: number, event: TaskEvent): void {
    if (open.ahead !== undefined) {
      open.ahead.report = event
      return
    }
    const { id } = open.call
    const judge = judgeTask(id, event)
    const isMeant = (state: RunState) => runCountOf(state, id) === attempt
    let wasMeant = true
    this.#log.submit({
      judge: (state) => {
        wasMeant = isMeant(state)
        return wasMeant ? judge(state) : { is: 'ignored' } // (K4)
      },
      patient: true,
      settled: ({ outcome }) => {
        if (outcome === 'applied') return
        if (open.ahead !== undefined) open.ahead.report = event
        else if (!wasMeant && open.phase === 'reporting' && isMeant(this.#log.state))
          this.#submitReport(open, attempt, event) // its START was accepted between its judgement and its answer
        else this.#reportRefused(open)
      },
      failed: (error) => {
        if (isCallboardError(error, 'CB_E_PAYLOAD_TOO_LARGE'))
          this.#submitReport(open, attempt, unkeepable(error, event.at))
        else this.#refuse(open, error)
      },
    })
  }

  /** The task run has moved on without this report: whatever it came to is the answer. */
  #reportRefused(open: Open): void {
    const task = this.#task(open)
    if (task !== undefined && isTerminalTag(task.snapshot.tag)) this.#settle(open, false)
  }

  // ── slots

  #askForSlots(open: Open, limits: readonly string[]): void {
    if (open.slots === 'asked') return
    open.slots = 'asked'
    const { waitMs: _, ...terms } = open.call.wish ?? {}
    const holder = { run: this.#log.id, task: open.call.id }
    const want: SlotWant = { holder, limits, since: this.#now(), rev: this.#log.state.rev, ...terms }
    this.#context.slots.acquire(want).then(
      (answer) => {
        if (answer.is === 'granted') this.slotGranted(open.call.id)
        else if (answer.is === 'denied') this.slotDenied(open.call.id, answer)
        else this.#queue(open, limits)
      },
      (error) => this.#refuse(open, error),
    )
  }

  #queue(open: Open, limits: readonly string[]): void {
    if (open.phase !== 'ready' || open.slots === 'held') return
    this.#enter(open, 'queued')
    const event: TaskEvent = { type: 'SLOT_WAIT', at: this.#now(), limits }
    this.#log.submit({ judge: judgeTask(open.call.id, event), lazy: true, patient: true })
    const waitMs = open.call.wish?.waitMs
    if (waitMs === undefined) return
    open.patience = this.#context.dueTimes.after(waitMs, () => {
      if (open.phase !== 'queued') return
      const names = limits.map((name) => `"${name}"`).join(', ')
      const message = `No slot of the concurrency limit ${names} was free within ${formatDuration(waitMs)}. Wait longer, or raise the limit.`
      this.#deny(open, new CallboardError('CB_E_TIMEOUT', message))
    })
  }

  #deny(open: Open, error: CallboardError): void {
    const { message } = error
    const event: TaskEvent = { type: 'DENIED', at: this.#now(), message, failure: failureOf(error) }
    this.#log.submit({ judge: judgeTask(open.call.id, event), patient: true })
  }

  /** Its slots were given back: before it runs again it asks anew. */
  slotsReleased(task: string): void {
    const open = this.#open.get(task)
    if (open !== undefined) open.slots = 'none'
  }

  // ── answers

  #run(open: Open): void {
    const task = this.#task(open)
    if (task === undefined) return
    const { runCount, failures } = task.snapshot.context
    this.#enter(open, 'running')
    open.resolve({ do: 'run', attempt: runCount, failures })
  }

  /** (K2) */
  #settle(open: Open, replayed: boolean): void {
    const task = this.#task(open)
    if (task === undefined || open.phase === 'over') return
    const { snapshot, state, result, failure } = task
    const answer = {
      do: 'settled',
      tag: snapshot.tag,
      replayed,
      ...(state.message === undefined ? {} : { message: state.message }),
      ...(failure === undefined ? {} : { failure }),
    } as const
    this.#values.load(
      result,
      (inline) => this.#answer(open, inline === undefined ? answer : { ...answer, result: inline }),
      (error) => this.#refuse(open, error),
    )
  }

  #answer(open: Open, answer: TaskAnswer): void {
    this.#close(open)
    open.resolve(answer)
  }

  /** Too large, or out of reach: the caller is told. Fenced or stopped: nobody is (C3). */
  #refuse(open: Open, error: unknown): void {
    if (open.phase === 'over' || this.#log.ended) return
    this.#close(open)
    open.reject(error)
  }

  #close(open: Open): void {
    open.patience?.cancel()
    this.#enter(open, 'over')
    if (this.#open.get(open.call.id) === open) this.#open.delete(open.call.id)
    this.#changed()
  }

  #enter(open: Open, phase: Phase): void {
    const before = open.phase
    open.phase = phase
    this.#running += Number(isBusy(open, phase)) - Number(isBusy(open, before))
    this.#resting += Number(isResting(open, phase)) - Number(isResting(open, before))
    if (isResting(open, phase)) this.#changed()
  }

  #now(): number {
    return this.#context.deps.clock.now()
  }

  #task(open: Open): TaskState | undefined {
    return this.#log.state.tasks.get(open.call.id)
  }
}

/** A body that is away is no work for this process until it is back. */
function isBusy({ call }: Open, phase: Phase): boolean {
  return phase === 'reporting' || (phase === 'running' && call.away !== true)
}

/** Nothing but time, a person or another run moves it on. */
function isResting({ call }: Open, phase: Phase): boolean {
  return phase === 'resting' || (phase === 'running' && call.away === true)
}

function isRunning(state: RunState): boolean {
  return state.flow.tag.startsWith('RUNNING.')
}

function runCountOf(state: RunState, id: string): number | undefined {
  return state.tasks.get(id)?.snapshot.context.runCount
}

/** The result that a call comes with instead of a body. */
function resultOf({ instead }: TaskCall): ValueRef | undefined {
  return instead !== undefined && 'result' in instead ? instead.result : undefined
}

function withResult(call: TaskCall, result: ValueRef | undefined): TaskCall {
  const { instead } = call
  if (result === undefined || instead === undefined || !('result' in instead)) return call
  return { ...call, instead: { ...instead, result } }
}
