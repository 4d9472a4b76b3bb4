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

import type { TaskAnswer, TaskCall, TaskReport } from './channel.ts'
import type { TaskEvent, ValueRef } from './events.ts'
import type { HostContext } from './host-context.ts'
import type { HostedValues } from './hosted-values.ts'
import type { Answer, Judgement } from './judgement.ts'
import { type OpenCall, OpenCalls } from './open-calls.ts'
import { isUnkeepable, resultIn, taskEventOf, unkeepable, withResultIn } from './outcomes.ts'
import type { TaskRecord } from './records.ts'
import { judgeTask, judgeTaskCall } from './rules.ts'
import type { RunLog } from './run-log.ts'
import type { RunState, TaskState } from './run-state.ts'
import type { SlotDenial } from './slots.ts'
import { isTerminalTag, parseTag } from './states.ts'
import { TaskSlots } from './task-slots.ts'

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
  readonly #calls: OpenCalls
  readonly #slots: TaskSlots

  constructor({ context, log, values, changed }: TaskCallsOptions) {
    this.#context = context
    this.#log = log
    this.#values = values
    this.#calls = new OpenCalls(changed)
    this.#slots = new TaskSlots({
      context,
      log,
      calls: this.#calls,
      start: (open) => this.#start(open),
      refuse: (open, error) => this.#refuse(open, error),
    })
  }

  /** Bodies that run, or whose outcome is not in the log yet. */
  get running(): number {
    return this.#calls.running
  }

  /** Calls that are not answered for good. */
  get size(): number {
    return this.#calls.size
  }

  /** Whether any call is open that does not just wait for time or for a person. */
  get isBusy(): boolean {
    return this.#calls.isBusy
  }

  // ── what the code says

  call(call: TaskCall): Promise<TaskAnswer> {
    return new Promise((resolve, reject) => {
      const open = this.#calls.begin(call, resolve, reject)
      const then = (result: ValueRef | undefined) => this.#submitCall(open, withResult(call, result))
      this.#values.store(resultOf(call), then, (error) => this.#refuse(open, error))
    })
  }

  report({ id, attempt, outcome }: TaskReport): Promise<TaskAnswer> {
    return new Promise((resolve, reject) => {
      const open = this.#calls.get(id)
      if (open?.phase !== 'running') return // (K4) nobody runs that body here
      open.resolve = resolve
      open.reject = reject
      this.#calls.enter(open, 'reporting')
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
    const open = this.#calls.get(task)
    if (open !== undefined) this.#calls.close(open)
  }

  // ── what the log says

  /** A record of a task run is in the log. */
  committed({ id, e, s }: TaskRecord): void {
    const open = this.#calls.get(id)
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
        this.#calls.enter(open, 'resting')
        return
      case 'PAUSED.Paused':
        this.#calls.enter(open, 'resting')
        return
      case 'SCHEDULED.Scheduled':
      case 'SCHEDULED.AwaitingConcurrencySlot':
        if (open.phase !== 'resting') return
        this.#calls.enter(open, 'ready')
        this.#start(open)
        return
    }
  }

  /** The state was read anew; proposals on their way will be judged again. */
  reloaded(state: RunState): void {
    for (const open of this.#calls.values()) {
      const task = state.tasks.get(open.call.id)
      if (task === undefined || open.phase !== 'resting') continue
      const { tag } = task.snapshot
      if (isTerminalTag(tag)) this.#settle(open, false)
      else if (tag === 'RUNNING.Retrying') this.#run(open)
      else if (tag === 'SCHEDULED.Scheduled' || tag === 'SCHEDULED.AwaitingConcurrencySlot')
        this.#calls.enter(open, 'ready')
    }
  }

  /** The flow run is RUNNING (again), or the lease is fresh again: whatever had to wait may begin (K5). */
  proceed(): void {
    for (const open of this.#calls.values()) {
      if (open.phase === 'ready') this.#start(open)
      else if (open.ahead !== undefined) this.#submitStart(open) // (K3)
    }
  }

  slotGranted(task: string): void {
    this.#slots.granted(task)
  }

  slotDenied(task: string, denial: SlotDenial): void {
    this.#slots.denied(task, denial)
  }

  slotsReleased(task: string): void {
    this.#slots.released(task)
  }

  // ── a call, step by step

  #submitCall(open: OpenCall, call: TaskCall): void {
    let isReplay = false
    let hadEnded = false
    this.#log.submit({
      judge: judgeTaskCall(call, this.#now()),
      lazy: true,
      patient: true,
      judged: (judgement) => {
        isReplay = judgement.is === 'known'
        hadEnded = this.#hasEnded(open)
        if (open.phase === 'calling' && judgement.is !== 'rejected') this.#called(open)
      },
      settled: (answer) => this.#callSettled(open, answer, hadEnded, isReplay),
      failed: (error) => this.#refuse(open, error),
    })
  }

  /** The task run is in the table: where does it stand? */
  #called(open: OpenCall): void {
    const task = this.#task(open)
    if (task === undefined || isTerminalTag(task.snapshot.tag)) return // answered when it is settled (K2)
    switch (parseTag(task.snapshot.tag).name) {
      case 'AwaitingRetry':
      case 'Paused':
        this.#calls.enter(open, 'resting')
        return
      default:
        this.#calls.enter(open, 'ready')
        this.#start(open)
    }
  }

  #callSettled(open: OpenCall, answer: Answer, hadEnded: boolean, isReplay: boolean): void {
    if (open.phase === 'over') return
    if (answer.outcome === 'rejected') {
      const { type } = parseTag(answer.tag)
      if (type !== 'RUNNING' && type !== 'PAUSED') return // the run takes no calls any more: the code must leave
      this.#answer(open, { do: 'mismatch', message: answer.reason })
      return
    }
    // By now its body may have ended as well: how, is on its way into the log behind this (K2).
    if (hadEnded && open.phase !== 'running' && open.phase !== 'reporting') this.#settle(open, isReplay)
  }

  /** (K5) */
  #start(open: OpenCall): void {
    if (open.phase !== 'ready' || !this.#context.mayBegin() || !isRunning(this.#log.state)) return
    if (!this.#slots.take(open)) return
    this.#calls.enter(open, 'starting')
    this.#submitStart(open)
  }

  #submitStart(open: OpenCall): void {
    const { id } = open.call
    this.#log.submit({
      judge: judgeTask(id, { type: 'START', at: this.#now() }),
      lazy: true,
      patient: true,
      judged: (judgement) => this.#started(open, judgement),
      failed: (error) => this.#refuse(open, error),
    })
  }

  #started(open: OpenCall, judgement: Judgement): void {
    const isAccepted = judgement.is === 'write'
    if (open.phase === 'starting') {
      if (isAccepted) this.#run(open)
      else this.#calls.enter(open, 'ready')
    } else if (isAccepted) {
      this.#caughtUp(open)
    } else if (open.phase === 'running' || open.phase === 'reporting') {
      open.ahead ??= {} // (K3)
    }
  }

  /** (K3) The START that the body was ahead of is accepted; with it, what the body has said meanwhile. */
  #caughtUp(open: OpenCall): void {
    const report = open.ahead?.report
    open.ahead = undefined
    if (report !== undefined)
      this.#submitReport(open, this.#task(open)?.snapshot.context.runCount ?? 0, report)
  }

  #submitReport(open: OpenCall, attempt: number, event: TaskEvent): void {
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
        if (isUnkeepable(error)) this.#submitReport(open, attempt, unkeepable(error, event.at))
        else this.#refuse(open, error)
      },
    })
  }

  /** The task run has moved on without this report: whatever it came to is the answer. */
  #reportRefused(open: OpenCall): void {
    if (this.#hasEnded(open)) this.#settle(open, false)
  }

  // ── answers

  #run(open: OpenCall): void {
    const task = this.#task(open)
    if (task === undefined) return
    const { runCount, failures } = task.snapshot.context
    this.#calls.enter(open, 'running')
    open.resolve({ do: 'run', attempt: runCount, failures })
  }

  /** (K2) */
  #settle(open: OpenCall, replayed: boolean): void {
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

  #answer(open: OpenCall, answer: TaskAnswer): void {
    this.#calls.close(open)
    open.resolve(answer)
  }

  /** Too large, or out of reach: the caller is told. Fenced or stopped: nobody is (C3). */
  #refuse(open: OpenCall, error: unknown): void {
    if (open.phase === 'over' || this.#log.ended) return
    this.#calls.close(open)
    open.reject(error)
  }

  #now(): number {
    return this.#context.deps.clock.now()
  }

  /** As far as was judged; the log may not have it yet. */
  #hasEnded(open: OpenCall): boolean {
    const task = this.#task(open)
    return task !== undefined && isTerminalTag(task.snapshot.tag)
  }

  #task(open: OpenCall): TaskState | undefined {
    return this.#log.state.tasks.get(open.call.id)
  }
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
