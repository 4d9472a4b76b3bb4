/** From judgements to answers, and the errors that are answers. */

import { assertNever, CallboardError } from '../core/index.ts'
import type { Answer, Judgement } from './judgement.ts'
import type { RunRecord } from './records.ts'
import { legalSignals } from './rules.ts'
import type { RunState } from './run-state.ts'

const NO_RECORDS: readonly RunRecord[] = []

/** The records that a judgement writes, whatever it says. */
export function recordsOf(judgement: Judgement): readonly RunRecord[] {
  if (judgement.is === 'write') return judgement.records
  return judgement.is === 'rejected' ? (judgement.records ?? NO_RECORDS) : NO_RECORDS
}

/** What the proposer is told, once it stands. `state` is the one after the judgement's records. */
export function answerTo(judgement: Judgement, state: RunState): Answer {
  const { tag } = state.state
  switch (judgement.is) {
    case 'write':
    case 'known':
      return { outcome: judgement.answer, tag, rev: state.rev }
    case 'ignored':
      return { outcome: 'ignored', tag }
    case 'wait':
      return { outcome: 'wait', retryAfterMs: judgement.retryAfterMs, tag }
    case 'rejected': {
      const { reason, issues } = judgement
      const rejected = { outcome: 'rejected', reason, tag, legalSignals: legalSignals(state) } as const
      return issues === undefined ? rejected : { ...rejected, issues }
    }
    default:
      return assertNever(judgement)
  }
}

/** An owner finds the run in other hands. */
export function takenAway(state: RunState, hostedIn: number): CallboardError {
  const { epoch, worker } = state.flow.context
  const now = worker === null ? 'nobody has it' : `worker ${worker} has it`
  return new CallboardError(
    'CB_E_FENCED',
    `Run ${state.id} was hosted here in epoch ${hostedIn} and is not any more: ${now} now, in epoch ${epoch}. Nothing more is written from here.`,
  )
}

/** Refused for its size. */
export function tooLarge(what: string, bytes: number, limit: number): CallboardError {
  return new CallboardError(
    'CB_E_PAYLOAD_TOO_LARGE',
    `${what} would have ${bytes} bytes; at most ${limit} are allowed. Nothing was written, and the run goes on. Hand over less, or a reference.`,
    { details: { bytes, limit } },
  )
}
