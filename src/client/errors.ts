/** What goes wrong between a client and the gateway, as one error class. */

import type { Problem } from '../api/index.ts'

/** One place in what was sent that is wrong. */
export type Fault = NonNullable<Problem['errors']>[number]

export interface GatewayFacts {
  /** The gateway's own code, `CB_E_…`, or one of `UNREACHABLE`, `REFUSED`, `CLOSED`, `PROTOCOL`, `HTTP`. */
  readonly code: string
  /** HTTP status; undefined when there was no answer. */
  readonly status?: number | undefined
  readonly errors?: readonly Fault[] | undefined
  readonly legalSignals?: readonly string[] | undefined
  readonly retryAfterMs?: number | undefined
  /** The gateway says so itself. Default: what `code` and `status` say. */
  readonly retryable?: boolean | undefined
  readonly cause?: unknown
}

/** The gateway said no, or could not be asked. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: string
  readonly status: number | undefined
  /** What is wrong with what was sent, place by place. */
  readonly errors: readonly Fault[]
  /** When a run does not take a signal: those it takes. */
  readonly legalSignals: readonly string[] | undefined
  readonly retryAfterMs: number | undefined
  readonly #retryable: boolean | undefined

  constructor(
    message: string,
    { code, status, errors, legalSignals, retryAfterMs, retryable, cause }: GatewayFacts,
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.status = status
    this.errors = errors ?? []
    this.legalSignals = legalSignals
    this.retryAfterMs = retryAfterMs
    this.#retryable = retryable
  }

  /** Whether the same call may succeed later without anybody changing anything. */
  get isRetryable(): boolean {
    return (
      this.#retryable === true ||
      this.code === 'UNREACHABLE' ||
      this.status === 423 ||
      this.status === 429 ||
      (this.status ?? 0) >= 500
    )
  }
}
