/**
 * The errands of one execution of a run's code: bodies that it has sent to others, and what it hears of them.
 *
 * Invariants
 * (F1) An errand that the code waits for is in a queue, with a worker that was heard of within a lease, or will be put
 *      into the queue: when its flow run is RUNNING again, or when nobody has spoken up for it.
 * (F2) Of all who have an errand from a queue one is let run it. No body begins unless the flow run is RUNNING.
 * (F3) A report is answered once it is in the log, whoever wrote it there; a report that the code cannot take is kept
 *      there for it.
 * (F4) A body whose process was lost runs again elsewhere, as often as the run's policy makes lost hosts good; after that
 *      its attempt has crashed.
 */

import { CallboardError } from '../core/index.ts'
import { untilAnswered } from './append.ts'
import type { BodyOutcome, ErrandRequest, HostPort, LeaveReason } from './channel.ts'
import { errandKey, errandOutcome, isErrandOver, judgeErrands } from './errand.ts'
import { ErrandCalls } from './errand-calls.ts'
import type { ErrandMessage, ErrandReport } from './errand-messages.ts'
import { ErrandTable, type OpenErrand } from './errand-table.ts'
import type { ValueRef } from './events.ts'
import type { HostContext } from './host-context.ts'
import type { HostedValues } from './hosted-values.ts'
import { type RunReply, workerAddress } from './messages.ts'
import type { RunRecord } from './records.ts'
import type { RunLog } from './run-log.ts'
import { runStart } from './run-start.ts'
import type { RunState } from './run-state.ts'
import { asJson } from './shape.ts'

export interface ErrandsOptions {
  readonly context: HostContext
  readonly log: RunLog
  readonly values: HostedValues
  /** Of the flow run: the attempt that this is the code of. */
  readonly runCount: number
  /** For what bodies elsewhere ask of their host. */
  readonly port: HostPort
  /** A task run that a body elsewhere had asked for is run by nobody now. */
  abandon(task: string): void
  /** How many of them run has changed. */
  changed(): void
}

/** Reasons to leave after which nobody wants to know what a body came to. */
const FINAL: ReadonlySet<LeaveReason> = new Set(['cancelled', 'crashed', 'ended', 'timed-out'])
const LEFT = new CallboardError('CB_E_STOPPED', 'The code of the run has left this process.')

export class Errands {
  readonly #options: ErrandsOptions
  readonly #context: HostContext
  readonly #log: RunLog
  readonly #table: ErrandTable
  /** Task runs of which an errand was asked for here. */
  readonly #seen = new Set<string>()
  readonly #gone = new AbortController()
  #sent = 0

  constructor(options: ErrandsOptions) {
    this.#options = options
    this.#context = options.context
    this.#log = options.log
    this.#table = new ErrandTable({
      context: options.context,
      changed: () => options.changed(),
      expired: (out) => this.#expired(out),
    })
  }

  /** Bodies that somebody runs, as far as is known. */
  get running(): number {
    return this.#table.held
  }

  /** Has it run elsewhere; gives what it came to. */
  run(request: ErrandRequest): Promise<BodyOutcome> {
    return new Promise((resolve, reject) => {
      const { state } = this.#log
      const { id: task, failures } = request
      const { inputs } = state.tasks.get(task) ?? {}
      const key = errandKey({ task, runCount: this.#options.runCount, failures, inputs })
      const before = this.#table.get(key)
      if (before !== undefined) {
        Object.assign(before, { resolve, reject }) // its body, being one elsewhere itself, began anew
        return
      }
      const out: OpenErrand = {
        key,
        request,
        parameters: request.parameters,
        phase: { is: 'waiting' },
        resolve,
        reject,
        losses: 0,
        calls: new ErrandCalls(this.#options),
        whenSettled: [],
      }
      this.#table.add(out)
      const known = errandOutcome(state, key)
      if (known !== undefined) return this.#hear(out, known)
      const store = (then: () => void) =>
        this.#options.values.store(
          request.parameters,
          (stored = request.parameters) => {
            out.parameters = stored
            then()
          },
          (error) => this.#refuse(out, error),
        )
      const isReplayed = request.attempt > failures + 1 && !this.#seen.has(task)
      this.#seen.add(task)
      if (isReplayed) {
        this.#table.seek(out)
        store(() => {})
      } else store(() => this.#send(out))
    })
  }

  // ── what is said by those who run them

  async answer(message: ErrandMessage): Promise<RunReply> {
    if (this.#gone.signal.aborted) return { outcome: 'elsewhere' }
    switch (message.op) {
      case 'errands-take':
        return { outcome: 'errands', keys: message.keys.filter((key) => this.#take(key, message.worker)) }
      case 'errands-held':
        return { outcome: 'errands', keys: message.keys.filter((key) => this.#isHeld(key, message.worker)) }
      case 'errands-returned':
        for (const key of message.keys) this.#returned(key, message.worker)
        return { outcome: 'noted' }
      case 'errands-done': {
        const written = await Promise.all(message.done.map((report) => this.#done(report)))
        return { outcome: written.every(Boolean) ? 'noted' : 'elsewhere' }
      }
      case 'errand-call': {
        const out = this.#table.get(message.key)
        const { epoch } = this.#log.state.flow.context
        const isHolder = out?.phase.is === 'held' && out.phase.worker === message.worker
        return isHolder && (message.epoch ?? epoch) === epoch
          ? out.calls.answer(message, epoch)
          : { outcome: 'elsewhere' }
      }
      case 'errand-note':
        await this.#options.port.call('note', message.note)
        return { outcome: 'applied', tag: this.#log.state.flow.tag, rev: this.#log.rev }
    }
  }

  /** (F2) */
  #take(key: string, worker: string): boolean {
    const out = this.#table.get(key)
    if (out === undefined) return false
    const { phase } = out
    if (phase.is === 'held') return phase.worker === worker
    if (phase.is === 'reported') return false
    if (!this.#mayBegin) {
      this.#table.enter(out, { is: 'waiting' }) // its item is given up
      return false
    }
    this.#table.hold(out, worker)
    return true
  }

  #isHeld(key: string, worker: string): boolean {
    const out = this.#table.get(key)
    if (out === undefined) return !isErrandOver(this.#log.state, key) // the code has yet to come to it
    const { phase } = out
    if (phase.is === 'reported') return false
    if (phase.is === 'held' && phase.worker !== worker) return false
    this.#table.hold(out, worker)
    return true
  }

  #returned(key: string, worker: string): void {
    const out = this.#table.get(key)
    if (out === undefined || out.phase.is === 'waiting' || out.phase.is === 'reported') return
    if (out.phase.is === 'held' && out.phase.worker !== worker) return
    this.#again(out)
  }

  /** (F3) Whether it is in the log. */
  async #done({ key, outcome }: ErrandReport): Promise<boolean> {
    const out = this.#table.get(key)
    if (out === undefined) {
      const { outcome: answer } = await this.#log.propose(judgeErrands([{ key, outcome }]), { patient: true })
      return answer === 'applied'
    }
    const settled = new Promise<boolean>((resolve) => out.whenSettled.push(resolve))
    if (out.phase.is !== 'reported') this.#hear(out, outcome)
    return settled
  }

  /** The code is told, with the value itself. */
  #hear(out: OpenErrand, outcome: BodyOutcome): void {
    this.#table.enter(out, { is: 'reported' })
    const result = 'result' in outcome ? outcome.result : undefined
    this.#options.values.load(
      result,
      (inline) => out.resolve(withResult(outcome, inline)),
      (error) => this.#refuse(out, error),
    )
  }

  #refuse(out: OpenErrand, error: unknown): void {
    if (this.#gone.signal.aborted) return
    this.#table.enter(out, { is: 'reported' })
    out.reject(error)
  }

  // ── what the log says

  committed(record: RunRecord): void {
    if (this.#table.size === 0) return
    if (record.k === 'task' && SETTLING.has(record.e.type)) this.#settled(record.id)
    else if (record.k === 'value') this.#lookUp()
  }

  reloaded(state: RunState): void {
    for (const { key, phase, request } of this.#table.values())
      if (phase.is === 'reported' && isErrandOver(state, key)) this.#settled(request.id)
    this.#lookUp()
  }

  /** The flow run is RUNNING. */
  proceed(): void {
    if (this.#table.size === 0 || !this.#mayBegin) return
    for (const out of this.#table.values()) if (out.phase.is === 'waiting') this.#send(out)
  }

  #settled(id: string): void {
    const out = this.#table.of(id)
    if (out === undefined) return
    this.#table.enter(out, { is: 'reported' })
    this.#table.remove(out)
    out.calls.forget()
    for (const resolve of out.whenSettled) resolve(true)
  }

  /** What others have written while this host did not answer them. */
  #lookUp(): void {
    for (const out of this.#table.values()) {
      if (out.phase.is === 'reported') continue
      const known = errandOutcome(this.#log.state, out.key)
      if (known !== undefined) this.#hear(out, known)
    }
  }

  /** The code leaves. What it sent out goes on, unless nobody will want it any more. */
  leave(reason: LeaveReason): void {
    if (this.#gone.signal.aborted) return
    this.#gone.abort(LEFT)
    const held = new Map<string, string[]>()
    for (const { key, phase, calls, whenSettled } of this.#table.values()) {
      calls.forget()
      for (const resolve of whenSettled) resolve(false)
      if (phase.is === 'held') held.set(phase.worker, [...(held.get(phase.worker) ?? []), key])
    }
    this.#table.clear()
    if (!FINAL.has(reason)) return
    const { broker, deps } = this.#context
    for (const [worker, keys] of held) {
      const message = asJson({ op: 'errands-dropped', run: this.#log.id, keys, reason })
      broker.bus.publish(workerAddress(worker), message).catch((error) => {
        deps.logger.debug({ run: this.#log.id, worker, error }, 'a worker hears of it by its next heartbeat')
      })
    }
  }

  // ── sending

  get #mayBegin(): boolean {
    return this.#context.mayBegin() && this.#log.state.flow.tag.startsWith('RUNNING.')
  }

  #send(out: OpenErrand): void {
    if (this.#gone.signal.aborted || out.phase.is === 'reported') return
    this.#table.enter(out, { is: this.#mayBegin ? 'queued' : 'waiting' })
    if (out.phase.is === 'waiting') return
    const { broker, deps } = this.#context
    const { id: run, state } = this.#log
    const { flow, queue } = out.request
    const start = runStart(state, { flow, parameters: out.parameters })
    const id = `errand/${run}/${start.epoch}.${start.runCount}/${this.#sent++}`
    const item = asJson({ run, errand: { key: out.key, start } })
    const { priority } = state.created.policy.target
    untilAnswered(deps, this.#gone.signal, () => broker.queue.enqueue(queue, item, { id, priority })).catch(
      (error) => this.#refuse(out, error),
    )
  }

  /** (F4) */
  #lost(out: OpenErrand, worker: string): void {
    const { deps } = this.#context
    const { maxRecoveries } = this.#log.state.created.policy
    deps.logger.warn({ run: this.#log.id, task: out.request.id, worker }, 'a worker that ran a task was lost')
    if (++out.losses > maxRecoveries) {
      const times = out.losses === 1 ? 'once' : `${out.losses} times`
      this.#hear(out, { is: 'crashed', message: `The process that ran the task was lost, ${times}.` })
    } else this.#again(out)
  }

  #again(out: OpenErrand): void {
    out.calls.forget()
    this.#send(out)
  }

  /** (F1) */
  #expired(out: OpenErrand): void {
    if (out.phase.is === 'held') this.#lost(out, out.phase.worker)
    else this.#send(out)
  }
}

function withResult(outcome: BodyOutcome, result: ValueRef | undefined): BodyOutcome {
  return result === undefined || !('result' in outcome) ? outcome : { ...outcome, result }
}

/** What a task run takes with the end of an attempt. */
const SETTLING: ReadonlySet<string> = new Set(['CANCEL', 'CANCELLED', 'COMPLETE', 'CRASH', 'FAIL', 'SKIP'])
