/**
 * Bodies of tasks that run elsewhere. The task run stays where its flow runs; each attempt of its body is a child run in
 * the queue of whoever serves the task. So all that holds for runs holds for it: one worker claims it, a worker that dies is
 * noticed by its lease and another takes over, the result is answered once it is in the log, and neither side needs the
 * other to be there.
 *
 * Invariants
 * (Z1) An attempt has one child run: a replay of the flow finds that one again, by the attempt it belongs to.
 * (Z2) What the body sees of its task run (name, attempt, idempotency key) is the task run's, not the child's.
 */

import { flowPolicyOf } from './flow-options.ts'
import { identify } from './identity.ts'
import { stateOfSettled } from './outcomes.ts'
import { type FlowScope, scopeFor, type TaskScope } from './scope.ts'
import { CrashedRun, type State } from './state.ts'
import { type BodyOrder, bodyFlowName } from './task-flows.ts'
import { taskQueue } from './task-queue.ts'
import type { Elsewhere } from './task-runner.ts'

/** Runs one attempt elsewhere; gives its result, or the state that it ended in when that says more. */
export async function runAway(flow: FlowScope, task: TaskScope, where: Elsewhere): Promise<unknown> {
  const { env, session } = flow
  const { args, body, name, tags } = task
  const { silenceMs = null, timeoutMs } = task.task.compiled(0)
  const { attempt, failures, idempotencyKey, signal } = body
  const order: BodyOrder = {
    args,
    tags,
    run: { name, attempt, failures, idempotencyKey }, // (Z2)
    logPrints: task.logPrints,
    timeoutMs,
    silenceMs,
  }
  const settled = await untilAborted(
    signal,
    session.childState({
      id: identify(scopeFor(name), bodyFlowName(task.task.name)), // (Z1)
      flow: bodyFlowName(task.task.name),
      name,
      tags,
      parameters: order,
      policy: flowPolicyOf({}, env.settings),
      queue: await queueOf(task.task.name, where),
    }),
  )
  const state: State = stateOfSettled(settled, env.deps.clock.now())
  if (state.isCrashed()) throw new CrashedRun(state.message)
  return state.isCompleted() && state.name === 'Completed' ? state.data : state
}

/** The host of a run that is over answers nothing any more: the body is told by its signal. */
function untilAborted<T>(signal: AbortSignal, answer: Promise<T>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  return Promise.race([answer, aborted]).finally(() => signal.removeEventListener('abort', abort))
}

async function queueOf(task: string, { pool, queue }: Elsewhere): Promise<string> {
  if (pool === undefined) return taskQueue(queue ?? task)
  const { brokerQueue, DEFAULT_QUEUE } = await import('../catalog/index.ts')
  return brokerQueue({ pool, name: queue ?? DEFAULT_QUEUE })
}
