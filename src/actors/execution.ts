/**
 * One execution of a run's code: the code itself, and whatever it has asked of its host and is not answered yet.
 *
 * Invariants
 * (X1) Once it has been told to leave, nothing it asked is answered, and nothing it says reaches the run; but for the
 *      notes of code that is being cancelled, until it is.
 * (X2) How it ended is heard once, and not at all after it was told to leave.
 * (X3) It is told to leave at most once, also while it is still being started.
 */

import { messageOf, type Timer } from '../core/index.ts'
import type {
  BodyOutcome,
  HostCalls,
  HostPort,
  LeaveReason,
  Runner,
  RunningCode,
  RunStart,
} from './channel.ts'
import { Children } from './children.ts'
import { Errands } from './errands-out.ts'
import type { HostContext } from './host-context.ts'
import type { HostedValues } from './hosted-values.ts'
import type { RunRecord } from './records.ts'
import { judgeNote, judgeValue } from './rules.ts'
import type { RunLog } from './run-log.ts'
import { runStart } from './run-start.ts'
import type { RunState } from './run-state.ts'
import { TaskCalls } from './task-calls.ts'
import { type Awaited, Waits } from './waits.ts'

export interface ExecutionOptions {
  readonly context: HostContext
  readonly log: RunLog
  readonly values: HostedValues
  readonly runner: Runner
  /** The attempt it belongs to. */
  readonly runCount: number
  ended(outcome: BodyOutcome): void
  /** What it is doing has changed. */
  changed(): void
  /** All it has done for a while is to wait for this. */
  parkable(awaited: Awaited): void
}

type Life =
  | { readonly is: 'starting' }
  | { readonly is: 'running'; readonly code: RunningCode }
  | { readonly is: 'ended' | 'left'; readonly code: RunningCode | undefined }

export class Execution {
  readonly runCount: number
  readonly tasks: TaskCalls
  readonly waits: Waits
  readonly children: Children
  readonly errands: Errands
  readonly #options: ExecutionOptions
  #life: Life = { is: 'starting' }
  #parking: Timer | undefined
  #leaveReason: LeaveReason | undefined
  readonly #whenGone: (() => void)[] = []
  #isGone = false
  #isAbandoned = false

  constructor(options: ExecutionOptions) {
    const { context, log, values } = options
    this.#options = options
    this.runCount = options.runCount
    const parts = { context, log, values, changed: () => this.#changed() }
    this.tasks = new TaskCalls(parts)
    this.waits = new Waits(parts)
    this.children = new Children(parts)
    this.errands = new Errands({
      ...parts,
      runCount: options.runCount,
      port: this.#port(),
      abandon: (task) => this.tasks.abandon(task),
    })
    void this.#start()
  }

  /** Whether all it does is wait: for time, for a signal, for a child. */
  get isWaiting(): boolean {
    return !this.tasks.isBusy && this.tasks.size + this.waits.size + this.children.size > 0
  }

  /** Bodies that run, here and elsewhere. */
  get bodies(): number {
    return this.tasks.running + this.errands.running
  }

  /** Whether it can be left where it is: no body runs, and the code waits for an answer, or has ended. */
  get isAtRest(): boolean {
    if (this.tasks.running > 0) return false
    return this.#life.is !== 'running' || this.tasks.size + this.waits.size + this.children.size > 0
  }

  committed(record: RunRecord): void {
    if (record.k === 'task') this.tasks.committed(record)
    else if (record.k === 'wait-') this.waits.committed(record)
    this.errands.committed(record)
  }

  reloaded(state: RunState): void {
    this.tasks.reloaded(state)
    this.waits.reloaded(state)
    this.errands.reloaded(state)
  }

  /** The run is RUNNING, and this worker may begin things. */
  proceed(): void {
    this.tasks.proceed()
    this.waits.proceed()
    this.errands.proceed()
  }

  get isGone(): boolean {
    return this.#isGone
  }

  /** It was to be ended by force, and something of it may run on. */
  get isAbandoned(): boolean {
    return this.#isAbandoned
  }

  /** Resolves when nothing of it runs any more, as far as its runner can see. */
  gone(): Promise<void> {
    return new Promise((resolve) => (this.#isGone ? resolve() : void this.#whenGone.push(resolve)))
  }

  /** (X1) (X3) */
  leave(reason: LeaveReason): void {
    if (this.#life.is === 'left') return
    const code = 'code' in this.#life ? this.#life.code : undefined
    this.#leaveReason = reason
    this.#life = { is: 'left', code }
    this.#parking?.cancel()
    this.waits.clear()
    this.children.clear()
    this.errands.leave(reason)
    code?.leave(reason)
  }

  /** Ends it by force, after it was told to leave. */
  async kill(): Promise<'gone' | 'abandoned'> {
    if (this.#isGone) return 'gone'
    const code = this.#life.is === 'left' ? this.#life.code : undefined
    const left = code === undefined ? 'abandoned' : await code.kill()
    this.#isAbandoned = left === 'abandoned'
    return left
  }

  async #start(): Promise<void> {
    const { log, runner } = this.#options
    let code: RunningCode
    try {
      code = await runner.start(await this.#startOf(log.state), this.#port())
    } catch (error) {
      this.#over({ is: 'crashed', message: `The code could not be started: ${messageOf(error)}` })
      return this.#tellGone()
    }
    code.gone.then(
      () => this.#tellGone(),
      () => this.#tellGone(),
    )
    if (this.#life.is === 'left') {
      this.#life = { is: 'left', code }
      return code.leave(this.#leaveReason ?? 'ended')
    }
    this.#life = { is: 'running', code }
    code.ended.then(
      (outcome) => this.#over(outcome),
      (error) => this.#over({ is: 'crashed', message: messageOf(error) }),
    )
  }

  #startOf(state: RunState): Promise<RunStart> {
    const start = runStart(state, state.created)
    return new Promise((resolve, reject) =>
      this.#options.values.load(
        start.parameters,
        (parameters = start.parameters) => resolve({ ...start, parameters }),
        reject,
      ),
    )
  }

  /** (X2) */
  #over(outcome: BodyOutcome): void {
    if (this.#life.is === 'left' || this.#life.is === 'ended') return
    this.#life = { is: 'ended', code: 'code' in this.#life ? this.#life.code : undefined }
    this.#parking?.cancel()
    this.#options.ended(outcome)
  }

  #tellGone(): void {
    this.#isGone = true
    for (const resolve of this.#whenGone.splice(0)) resolve()
  }

  // ── what the code asks

  #port(): HostPort {
    const calls: { [K in keyof HostCalls]: (input: HostCalls[K]['in']) => Promise<HostCalls[K]['out']> } = {
      'task.call': (call) => this.tasks.call(call),
      'task.report': (report) => this.tasks.report(report),
      'task.errand': (request) => this.errands.run(request),
      'task.rollback': (rollback) => this.tasks.rollBack(rollback),
      wait: (request) => this.waits.wait(request),
      'child.start': (request) => this.children.start(request),
      'child.join': ({ run }) => this.children.join(run),
      value: (input) => this.#value(input),
      note: (input) => this.#note(input),
    }
    return {
      call: (kind, input) => {
        if (this.#life.is === 'left' && !(kind === 'note' && this.#isCancelling)) return new Promise(() => {}) // (X1)
        this.#unpark()
        return calls[kind](input)
      },
    }
  }

  get #isCancelling(): boolean {
    return this.#leaveReason === 'cancelled' && this.#options.log.state.flow.tag === 'CANCELLING.Cancelling'
  }

  async #value({ id, v }: HostCalls['value']['in']): Promise<HostCalls['value']['out']> {
    const { log } = this.#options
    const { outcome } = await log.propose(judgeValue(id, v), { patient: true })
    const recorded = log.state.values.get(id)
    if (outcome === 'rejected' || recorded === undefined) return new Promise(() => {}) // (X1)
    return { v: recorded }
  }

  async #note(input: HostCalls['note']['in']): Promise<null> {
    const judge = judgeNote(input, this.#options.context.deps.clock.now())
    await new Promise<void>((resolve, reject) =>
      this.#options.log.submit({
        judge,
        lazy: true,
        patient: true,
        judged: () => resolve(),
        failed: reject,
      }),
    )
    return null
  }

  // ── waiting long enough to leave

  #changed(): void {
    if (this.#life.is === 'left') return
    this.#unpark()
    if (this.waits.size > 0 && this.tasks.size === 0 && this.children.size === 0) this.#armParking()
    this.#options.changed()
  }

  #armParking(): void {
    const { context } = this.#options
    this.#parking = context.dueTimes.after(context.parkAfterMs, () => {
      this.#parking = undefined
      const awaited = this.waits.awaited()
      if (awaited !== undefined && this.#life.is === 'running') this.#options.parkable(awaited)
    })
  }

  #unpark(): void {
    this.#parking?.cancel()
    this.#parking = undefined
  }
}
