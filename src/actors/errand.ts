/**
 * An errand: one attempt of a task's body that another process runs. The task run and all that is recorded of it stay in
 * the log of its flow run; an errand is only the wish that its body be run, and the answer. Its words on the bus are in
 * `errand-messages.ts`, the host's half in `errands-out.ts`, that of whoever runs bodies in `errands-in.ts`.
 *
 * Invariants
 * (B1) An errand is known by what it is the attempt of, not by who sent it out: a host that takes the run over, and
 *      replays its code, comes to the same errand.
 * (B2) Who has an errand is soft: it is told by heartbeat, and nothing in the log depends on it. What it came to is
 *      recorded once, by whoever's report is judged first; the others are told that it is over.
 */

import type { JsonValue } from '../core/index.ts'
import type { BodyOutcome, RunStart } from './channel.ts'
import type { Judge } from './judgement.ts'
import { hasEnded, KNOWN, write } from './propose.ts'
import type { RunState } from './run-state.ts'
import { asJson, isRecord, isText } from './shape.ts'
import { isTerminalTag } from './states.ts'

/** As it waits in a queue. */
export interface Errand {
  readonly key: string
  /** What the code of the body is started with; its parameters may be an object still. */
  readonly start: RunStart
}

/** What an errand is the attempt of. */
export interface ErrandOf {
  /** Identity of the task run. */
  readonly task: string
  /** Of the flow run: a retry of that begins its tasks anew. */
  readonly runCount: number
  /** Of the task run. A body that runs again after a recovery has the same. */
  readonly failures: number
  /** Hash of the inputs. */
  readonly inputs: string | undefined
}

/** Inputs are told apart by so much of their hash. */
const HASH_CHARS = 8
const KEY = /^(\d+)\.(\d+)\.([^.]*)\.(.+)$/s

/** (B1) */
export function errandKey({ task, runCount, failures, inputs }: ErrandOf): string {
  return `${runCount}.${failures}.${inputs?.slice(0, HASH_CHARS) ?? ''}.${task}`
}

/** Whether it need not be run any more, by the log: its attempt is settled, or can never be asked for again. */
export function isErrandOver(state: RunState, key: string): boolean {
  const [, runCount, failures, inputs, id = ''] = KEY.exec(key) ?? []
  if (hasEnded(state) || Number(runCount) !== state.flow.context.runCount) return true
  if (errandOutcome(state, key) !== undefined) return true
  const task = state.tasks.get(id)
  if (task === undefined) return false // its host had not written it yet
  const { snapshot } = task
  if (isTerminalTag(snapshot.tag) || snapshot.context.failures !== Number(failures)) return true
  return (task.inputs?.slice(0, HASH_CHARS) ?? '') !== inputs
}

const recordId = (key: string): string => `errand:${key}`

/** What it came to, when that was reported while nobody waited for it. */
export function errandOutcome(state: RunState, key: string): BodyOutcome | undefined {
  const recorded = state.values.get(recordId(key))
  return isOutcome(recorded) ? recorded : undefined
}

/** Judges reports that nobody takes: they are kept for the code to meet. `known` when all are over already (B2). */
export function judgeErrands(
  done: readonly { readonly key: string; readonly outcome: BodyOutcome }[],
): Judge {
  return (state) => {
    const open = done.filter(({ key }) => !isErrandOver(state, key))
    if (open.length === 0) return KNOWN
    return write(
      ...open.map(({ key, outcome }) => ({ k: 'value', id: recordId(key), v: asJson(outcome) }) as const),
    )
  }
}

const OUTCOMES: ReadonlySet<unknown> = new Set<BodyOutcome['is']>([
  'cancelled',
  'completed',
  'crashed',
  'failed',
  'skipped',
])

/** What one of ours has said. */
export function isOutcome(value: unknown): value is BodyOutcome {
  return isRecord(value) && OUTCOMES.has(value.is)
}

/** An errand from a queue; undefined for anything else. */
export function parseErrand(value: JsonValue | undefined): Errand | undefined {
  return isErrand(value) ? value : undefined
}

function isErrand(value: unknown): value is Errand {
  if (!isRecord(value) || !isText(value.key) || !isRecord(value.start)) return false
  const { run, flow, parameters } = value.start
  return isText(run) && isText(flow) && isRecord(parameters)
}
