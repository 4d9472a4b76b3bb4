/**
 * Bodies of tasks that run elsewhere: the code of the flow leaves each attempt, as an errand, to whoever serves the task, and
 * hears what it came to. `task-body.ts` is the other end.
 */

import type { BodyOutcome } from '../actors/index.ts'
import { refOf } from '../actors/index.ts'
import { decodeJson } from '../core/index.ts'
import type { FlowScope, TaskScope } from './scope.ts'
import { CrashedRun } from './state.ts'
import type { BodyOrder } from './task-body.ts'
import { bodyFlowName } from './task-flows.ts'
import { taskQueue } from './task-queue.ts'
import type { Elsewhere } from './task-runner.ts'

/** What a body came to that ran elsewhere, as it is to be reported: it went through the form in which it is stored. */
export class Away {
  readonly outcome: BodyOutcome

  constructor(outcome: BodyOutcome) {
    this.outcome = outcome
  }
}

/** Runs one attempt elsewhere. @throws `CrashedRun` when whoever ran it was lost too often, or could not begin */
export async function runAway(flow: FlowScope, task: TaskScope, where: Elsewhere): Promise<Away> {
  const { args, body, id, name, tags } = task
  const { silenceMs = null, timeoutMs } = task.task.compiled(0)
  const { attempt, failures, idempotencyKey, signal } = body
  const order: BodyOrder = {
    args,
    task: { id, name, attempt, failures, idempotencyKey, tags },
    flow: { name: flow.flow.name, version: flow.flow.version ?? null },
    logPrints: task.logPrints,
    timeoutMs,
    silenceMs,
  }
  const outcome = await untilAborted(
    signal,
    flow.session.errand({
      id,
      attempt,
      failures,
      flow: bodyFlowName(task.task.name),
      parameters: refOf(order, 'arguments'),
      queue: await queueOf(task.task.name, where),
    }),
  )
  if (outcome.is === 'crashed') throw new CrashedRun(outcome.message)
  return new Away(outcome)
}

/** What its body returned, when nothing else is to be said of it. */
export function returnedBy({ outcome }: Away): { readonly value: unknown } | undefined {
  if (outcome.is !== 'completed' || outcome.name !== undefined || outcome.message !== undefined)
    return undefined
  const { result } = outcome
  return { value: result !== undefined && 'v' in result ? decodeJson(result.v) : undefined }
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
