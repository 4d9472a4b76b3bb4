/**
 * The slots that task runs need before their bodies may begin: asked for, waited for as long as a call says, or denied.
 * The protocol is in `slots.ts`; what a task run does meanwhile is in `task-calls.ts`.
 */

import { CallboardError, formatDuration } from '../core/index.ts'
import type { TaskEvent } from './events.ts'
import { failureOf } from './failures.ts'
import type { HostContext } from './host-context.ts'
import type { OpenCall, OpenCalls } from './open-calls.ts'
import { judgeTask } from './rules.ts'
import type { RunLog } from './run-log.ts'
import { denialOf, type SlotDenial, type SlotWant } from './slots.ts'

export interface TaskSlotsOptions {
  readonly context: HostContext
  readonly log: RunLog
  readonly calls: OpenCalls
  /** It has its slots. */
  start(open: OpenCall): void
  refuse(open: OpenCall, error: unknown): void
}

export class TaskSlots {
  readonly #options: TaskSlotsOptions
  readonly #context: HostContext
  readonly #log: RunLog
  readonly #calls: OpenCalls

  constructor(options: TaskSlotsOptions) {
    this.#options = options
    this.#context = options.context
    this.#log = options.log
    this.#calls = options.calls
  }

  /** Whether it has all it needs; asks for it otherwise. */
  take(open: OpenCall): boolean {
    const { limits } = open.call
    if (limits === undefined || limits.length === 0 || open.slots === 'held') return true
    if (open.slots === 'none') this.#ask(open, limits)
    return false
  }

  granted(task: string): void {
    const open = this.#calls.get(task)
    if (open === undefined) return
    open.slots = 'held'
    open.patience?.cancel()
    if (open.phase === 'queued') this.#calls.enter(open, 'ready')
    this.#options.start(open)
  }

  /** Code that asked for the slots itself is told why; any other task run is Cancelled. */
  denied(task: string, denial: SlotDenial): void {
    const open = this.#calls.get(task)
    if (open === undefined || open.phase === 'over') return
    const message = denialOf(denial)
    if (open.call.wish !== undefined && denial.code !== undefined)
      this.#deny(open, new CallboardError(denial.code, message))
    else this.#submit(task, { type: 'CANCEL', at: this.#now(), message })
  }

  /** They were given back: before it runs again it asks anew. */
  released(task: string): void {
    const open = this.#calls.get(task)
    if (open !== undefined) open.slots = 'none'
  }

  #ask(open: OpenCall, limits: readonly string[]): void {
    open.slots = 'asked'
    const { id: task, wish } = open.call
    const { waitMs: _, ...terms } = wish ?? {}
    const holder = { run: this.#log.id, task }
    const want: SlotWant = { holder, limits, since: this.#now(), rev: this.#log.state.rev, ...terms }
    this.#context.slots.acquire(want).then(
      (answer) => {
        if (answer.is === 'granted') this.granted(task)
        else if (answer.is === 'denied') this.denied(task, answer)
        else this.#queue(open, limits)
      },
      (error) => this.#options.refuse(open, error),
    )
  }

  #queue(open: OpenCall, limits: readonly string[]): void {
    if (open.phase !== 'ready' || open.slots === 'held') return
    this.#calls.enter(open, 'queued')
    const { id, wish } = open.call
    const event: TaskEvent = { type: 'SLOT_WAIT', at: this.#now(), limits }
    this.#log.submit({ judge: judgeTask(id, event), lazy: true, patient: true })
    const waitMs = wish?.waitMs
    if (waitMs === undefined) return
    open.patience = this.#context.dueTimes.after(waitMs, () => {
      if (open.phase !== 'queued') return
      const names = limits.map((name) => `"${name}"`).join(', ')
      const message = `No slot of the concurrency limit ${names} was free within ${formatDuration(waitMs)}. Wait longer, or raise the limit.`
      this.#deny(open, new CallboardError('CB_E_TIMEOUT', message))
    })
  }

  #deny({ call: { id } }: OpenCall, error: CallboardError): void {
    this.#submit(id, { type: 'DENIED', at: this.#now(), message: error.message, failure: failureOf(error) })
  }

  #submit(task: string, event: TaskEvent): void {
    this.#log.submit({ judge: judgeTask(task, event), patient: true })
  }

  #now(): number {
    return this.#context.deps.clock.now()
  }
}
