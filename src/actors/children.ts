/**
 * The child runs of one execution of a run's code. A child is a run like any other; its parent's log knows its id
 * before the child's own log begins, so a crash between the two starts it after all, and never twice. Without a
 * deployment of its own it waits where its parent waited: who has the one's code has the other's.
 */

import type { Broker } from '../broker/index.ts'
import { CallboardError, type Deps, mintId, partitionOf } from '../core/index.ts'
import { untilAnswered } from './append.ts'
import type { ChildAnswer, ChildRequest } from './channel.ts'
import { createRun } from './create-run.ts'
import type { Target } from './events.ts'
import type { HostContext } from './host-context.ts'
import { openRun } from './open-run.ts'
import { judgeChild } from './rules.ts'
import type { RunLog } from './run-log.ts'
import type { Child, RunState } from './run-state.ts'
import { sendSignal } from './signals.ts'
import { isTerminalTag, parseTag } from './states.ts'
import { loadValue } from './values.ts'

interface Join {
  readonly resolve: (answer: ChildAnswer) => void
  readonly reject: (error: unknown) => void
}

export interface ChildrenOptions {
  readonly context: HostContext
  readonly log: RunLog
  /** How many are waited for has changed. */
  changed(): void
}

/** Why nobody waits any more. Given, because the platform's own reason costs a stack trace for every run. */
const LEFT = new CallboardError('CB_E_STOPPED', 'The code of the run has left this process.')

export class Children {
  readonly #context: HostContext
  readonly #log: RunLog
  readonly #changed: () => void
  readonly #joins = new Map<string, Join[]>()
  readonly #gone = new AbortController()

  constructor({ context, log, changed }: ChildrenOptions) {
    this.#context = context
    this.#log = log
    this.#changed = changed
  }

  /** How many are waited for. */
  get size(): number {
    return this.#joins.size
  }

  async start(request: ChildRequest): Promise<ChildAnswer> {
    const child = await this.#settleOn(request)
    const { broker, deps } = this.#context
    const { id, policy, queue: _, wait: isWaitedFor, ...given } = request
    const { created } = this.#log.state
    await this.#untilAnswered(() =>
      createRun(broker, deps, {
        ...given,
        policy: { ...policy, target: targetOf(request, created.policy.target) },
        id: child.run,
        name: request.name ?? `${request.flow}-${child.run.slice(-6)}`,
        parent: { run: this.#log.id, key: id },
        root: created.root ?? this.#log.id,
        by: { channel: 'code', principal: this.#log.id },
      }),
    )
    return isWaitedFor ? this.join(child.run) : { run: child.run, tag: 'SCHEDULED.Scheduled' }
  }

  join(run: string): Promise<ChildAnswer> {
    return new Promise((resolve, reject) => {
      const joins = this.#joins.get(run)
      if (joins !== undefined) joins.push({ resolve, reject })
      else this.#joins.set(run, [{ resolve, reject }])
      this.#changed()
      void this.look(run)
    })
  }

  /** Looks whether a child that is waited for has ended. */
  async look(run: string): Promise<void> {
    if (!this.#joins.has(run)) return
    try {
      const state = await openRun(this.#context.broker, this.#context.deps, run)
      if (state === undefined) this.#reject(run, missing(run))
      else if (isTerminalTag(state.flow.tag)) this.#resolve(run, await answerOf(this.#context.broker, state))
    } catch (error) {
      this.#context.deps.logger.warn(
        { run: this.#log.id, child: run, error },
        'a child run could not be looked at; it is tried again',
      )
    }
  }

  /** Looks at all that are waited for: what the bus may have lost. */
  lookAtAll(): void {
    for (const run of this.#joins.keys()) void this.look(run)
  }

  clear(): void {
    this.#gone.abort(LEFT)
    this.#joins.clear()
  }

  /** A broker that is away is no answer to the code: it waits, for as long as the code is here. */
  #untilAnswered<T>(attempt: () => Promise<T>): Promise<T> {
    return untilAnswered(this.#context.deps, this.#gone.signal, attempt)
  }

  /** Which child this call means: the one in the log, or a new one that the log knows from now on. */
  async #settleOn({ id, flow }: ChildRequest): Promise<Child> {
    const known = this.#log.state.children.get(id)
    const again = known?.earlier === true && !(await this.#isWorthKeeping(known))
    const { deps } = this.#context
    const { created } = this.#log.state
    const run = mintId(deps, partitionOf(created.root ?? this.#log.id))
    const answer = await this.#log.propose(judgeChild({ id, run, flow, again }, deps.clock.now()), {
      patient: true,
    })
    if (answer.outcome === 'rejected') {
      const { type } = parseTag(answer.tag)
      if (type === 'RUNNING' || type === 'PAUSED')
        throw new CallboardError('CB_E_REPLAY_MISMATCH', answer.reason)
      return new Promise(() => {}) // the run can answer nothing any more: the code must leave (C3)
    }
    const child = this.#log.state.children.get(id)
    if (child === undefined)
      throw new CallboardError('CB_E_BUG', `Child run ${id} of ${this.#log.id} is not known.`)
    return child
  }

  /** Of a child that an earlier attempt had started: whatever has not gone wrong is gone on with. */
  async #isWorthKeeping({ run }: Child): Promise<boolean> {
    const { broker, deps } = this.#context
    const state = await this.#untilAnswered(() => openRun(broker, deps, run))
    if (state === undefined) return false
    return !isTerminalTag(state.flow.tag) || parseTag(state.flow.tag).type === 'COMPLETED'
  }

  #resolve(run: string, answer: ChildAnswer): void {
    const joins = this.#joins.get(run) ?? []
    this.#joins.delete(run)
    this.#changed()
    for (const { resolve } of joins) resolve(answer)
  }

  #reject(run: string, error: unknown): void {
    const joins = this.#joins.get(run) ?? []
    this.#joins.delete(run)
    this.#changed()
    for (const { reject } of joins) reject(error)
  }
}

/** Without a deployment or a queue of its own: who has its parent's code has its code. */
function targetOf({ deployment, policy, queue }: ChildRequest, ofParent: Target): Target {
  if (queue !== undefined) return { ...policy.target, queue }
  return deployment === undefined ? ofParent : policy.target
}

/** Passes a signal on to every child; a child that does not take it has no need of it. */
export async function tellChildren(
  broker: Broker,
  deps: Deps,
  parent: RunState,
  signal: 'pause' | 'suspend' | 'resume' | 'cancel',
  effectId: string,
): Promise<void> {
  const told = [...parent.children.values()].map(({ run }) =>
    sendSignal(broker, deps, run, {
      name: signal,
      key: effectId,
      by: { channel: 'parent', principal: parent.id },
      timeoutMs: null,
    }),
  )
  for (const result of await Promise.allSettled(told))
    if (result.status === 'rejected')
      deps.logger.debug(
        { run: parent.id, signal, error: result.reason },
        'a child run could not be told at once',
      )
}

async function answerOf(
  broker: Broker,
  { id, flow, state, result, failure }: RunState,
): Promise<ChildAnswer> {
  return {
    run: id,
    tag: flow.tag,
    ...(state.message === undefined ? {} : { message: state.message }),
    ...(result === undefined ? {} : { result: { v: await loadValue(broker.objects, result) } }),
    ...(failure === undefined ? {} : { failure }),
  }
}

function missing(run: string): CallboardError {
  return new CallboardError('CB_E_RUN_MISSING', `There is no run ${run}, or it is archived. Check the id.`)
}
