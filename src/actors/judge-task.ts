/**
 * Task runs: the call that the code makes, and what becomes of its bodies.
 *
 * Invariants
 * (A1) No body starts unless its flow run is RUNNING: while that is paused it waits, while it is cancelled the task
 *      run is Cancelled instead.
 * (A2) A call under an identity that the log knows is a replay. What is settled stays settled; a body that was
 *      running belonged to a host that is gone, so it is recovered and runs again.
 */

import type { TaskCall } from './channel.ts'
import type { TaskEvent } from './events.ts'
import type { Judge, Judgement } from './judgement.ts'
import { hasEnded, KNOWN, proposeTask, rejected, taskRecord, typeOf, write } from './propose.ts'
import type { RunRecord, TaskCreatedRecord } from './records.ts'
import type { ChartSnapshot, RunState, TaskContext, TaskState } from './run-state.ts'
import { isTerminalTag, parseTag } from './states.ts'
import { beginTask, taskChart } from './task-chart.ts'

/** Judges an event of a task run that was called in the present attempt. */
export function judgeTask(id: string, event: TaskEvent): Judge {
  return (state) => {
    const type = typeOf(state)
    if (event.type === 'START' && type !== 'RUNNING' && !hasEnded(state))
      return type === 'CANCELLING' && state.tasks.has(id)
        ? proposeTask(state, id, { type: 'CANCEL', at: event.at })
        : rejected(`No task run is started while the flow run is ${parseTag(state.flow.tag).name}.`) // (A1)
    if (event.type === 'TIMER.retry' && type !== 'RUNNING')
      return proposeTask(state, id, { ...event, held: true }) // (A1)
    return proposeTask(state, id, event)
  }
}

/**
 * Judges a call: creates the task run, with whatever the call says is to become of it instead of running; or finds
 * the one of an earlier execution (`known`; look at the state). Rejected when this identity belonged to another task
 * or to other inputs, or when the flow run can take no calls.
 */
export function judgeTaskCall(call: TaskCall, at: number): Judge {
  return (state) => {
    const type = typeOf(state)
    if (hasEnded(state) || (type !== 'RUNNING' && type !== 'PAUSED'))
      return rejected(`No task can be called while the flow run is ${parseTag(state.flow.tag).name}.`)
    const known = state.tasks.get(call.id)
    if (known === undefined) return create(call, at)
    const mismatch = mismatchOf(known, call)
    if (mismatch === undefined) return meet(state, known, call, at)
    return call.onMismatch === 'rerun' ? create(call, at) : rejected(mismatch)
  }
}

function create(call: TaskCall, at: number): Judgement {
  const { id, task, inputs, upstream, name, tags, limits } = call
  const policy = limits === undefined || limits.length === 0 ? call.policy : { ...call.policy, limits }
  const record: TaskCreatedRecord = {
    k: 'task+',
    id,
    at,
    task,
    policy,
    ...(inputs === undefined ? {} : { inputs }),
    ...(upstream === undefined ? {} : { upstream }),
    ...(name === undefined ? {} : { name }),
    ...(tags === undefined ? {} : { tags }),
  }
  return write(record, ...insteadOf(call, beginTask(policy), at))
}

function insteadOf(call: TaskCall, from: ChartSnapshot<TaskContext>, at: number): RunRecord[] {
  if (call.instead === undefined) return []
  const event = insteadEvent(call.instead, at)
  const step = taskChart.step(from, event)
  return step.is === 'moved' ? [taskRecord(call.id, event, step)] : []
}

function insteadEvent(instead: NonNullable<TaskCall['instead']>, at: number): TaskEvent {
  switch (instead.is) {
    case 'not-ready':
      return { type: 'NOT_READY', at, message: instead.message }
    case 'trigger-failed':
      return { type: 'TRIGGER_FAILED', at, message: instead.message }
    case 'skip': {
      const { is: _is, ...rest } = instead
      return { type: 'SKIP', at, ...rest }
    }
    case 'cached': {
      const { is: _is, ...rest } = instead
      return { type: 'CACHED', at, ...rest }
    }
    case 'hold': {
      const { is: _is, ...rest } = instead
      return { type: 'HOLD', at, ...rest }
    }
  }
}

function mismatchOf(known: TaskState, call: TaskCall): string | undefined {
  const met = `The call of task "${call.task}" as ${call.id} met the task run of that identity in the log`
  if (known.task !== call.task)
    return `${met}, which is of task "${known.task}": the flow's code has changed under the run, or does not call its tasks in the same order each time.`
  if (known.inputs !== undefined && call.inputs !== undefined && known.inputs !== call.inputs)
    return `${met}, which had other inputs: the flow's code has changed under the run, or computes inputs that differ from one execution to the next.`
  return undefined
}

/** (A2) */
function meet(state: RunState, known: TaskState, call: TaskCall, at: number): Judgement {
  const { tag } = known.snapshot
  if (isTerminalTag(tag)) return KNOWN
  const { type } = parseTag(tag)
  if (type === 'RUNNING') return proposeTask(state, call.id, { type: 'RECOVER', at })
  if (type === 'CANCELLING') return proposeTask(state, call.id, { type: 'CANCELLED', at })
  const records = insteadOf(call, known.snapshot, at)
  return records.length === 0 ? KNOWN : write(...records)
}
