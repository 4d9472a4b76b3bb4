/** Answers to frames, the good and the bad. */

import type { ReplyError, ReplyFrame, SignalAnswer } from '../../api/index.ts'
import { ERRORS, isCallboardError } from '../../core/index.ts'
import { problemOf } from '../http/index.ts'

/** What became of a signal. */
export function replyTo(id: number, answer: SignalAnswer): ReplyFrame {
  const { outcome, state, rev, reason, legalSignals, errors, retryAfterMs } = answer
  if (outcome === 'applied' || outcome === 'accepted')
    return { op: 'reply', id, ok: true, outcome, state, ...(rev === undefined ? {} : { rev }) }
  const message =
    reason ??
    (outcome === 'wait' ? 'The run cannot take it yet. Try again later.' : 'The run does not take it.')
  return {
    op: 'reply',
    id,
    ok: false,
    error: {
      code: outcome === 'wait' ? 'CB_E_BUSY' : 'CB_E_SIGNAL_REJECTED',
      message,
      ...(errors === undefined ? {} : { errors }),
      ...(legalSignals === undefined ? {} : { legalSignals }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(outcome === 'wait' ? { retryable: true } : {}),
    },
  }
}

/** An error as a client may see it: what nobody thought of stays in the gateway's own log. */
export function replyError(error: unknown): ReplyError {
  if (!isCallboardError(error))
    return { code: 'CB_E_BUG', message: 'Something went wrong in the gateway; see its log.' }
  const { code, detail: message, errors, retryAfterMs } = problemOf(error)
  return {
    code,
    message,
    ...(errors === undefined ? {} : { errors }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(ERRORS[error.code].kind === 'retryable' ? { retryable: true } : {}),
  }
}
