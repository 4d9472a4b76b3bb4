/** Runs code in the host's own process, on the host's own thread. */

import { CallboardError, type Deps, decodeJson, quote } from '../core/index.ts'
import { completed, failed, type Interpret } from './body.ts'
import type { BodyOutcome, HostPort, LeaveReason, Runner, RunningCode, RunStart } from './channel.ts'
import { type RetryPolicy, retryDelay } from './retry-policy.ts'
import { RunSession } from './session.ts'

/** A flow's code, as this floor of the house knows it. */
export type Program = (run: RunSession, parameters: unknown) => Promise<unknown>

export interface InlineFlow {
  readonly program: Program
  /** What chooses the wait before the whole run is tried again; how often is the run's own policy. */
  readonly retry?: RetryPolicy
  readonly interpret?: Interpret
}

/** Code that is in this process: its hooks can be waited for. */
export interface InlineCode extends RunningCode {
  /** Resolves when no hook of its runs. */
  hooked(): Promise<void>
}

export interface InlineRunner extends Runner {
  start(...started: Parameters<Runner['start']>): Promise<InlineCode>
}

/** A runner for these flows, by name. */
export function inlineRunner(deps: Deps, flows: ReadonlyMap<string, InlineFlow>): InlineRunner {
  return {
    kind: 'inline',
    serves: (flow) => flows.has(flow),
    async start(start, host) {
      const flow = flows.get(start.flow)
      if (flow === undefined)
        throw new CallboardError(
          'CB_E_FLOW_UNKNOWN',
          `There is no flow ${quote(start.flow)} in this process. Register it, or let a worker that has it take the run.`,
        )
      return new RunningInline(deps, flow, start, host)
    },
  }
}

class RunningInline implements InlineCode {
  readonly ended: Promise<BodyOutcome>
  readonly gone: Promise<void>
  readonly #session: RunSession

  constructor(deps: Deps, flow: InlineFlow, start: RunStart, host: HostPort) {
    this.#session = new RunSession(start, host, deps)
    this.ended = runProgram(deps, flow, this.#session).finally(() => this.#session.end())
    this.gone = this.#session.quiet()
  }

  leave(reason: LeaveReason): void {
    this.#session.leave(reason)
  }

  hooked(): Promise<void> {
    return this.#session.unheld()
  }

  /** Nothing in one's own process can be stopped by force: what still runs is fenced and left to itself. */
  async kill(): Promise<'gone' | 'abandoned'> {
    this.#session.leave('fenced')
    return this.#session.isQuiet ? 'gone' : 'abandoned'
  }
}

/** Never rejects. */
async function runProgram(deps: Deps, { program, retry, interpret }: InlineFlow, session: RunSession) {
  const { parameters, failures } = session.start
  const withDelay = async (outcome: BodyOutcome, error: unknown): Promise<BodyOutcome> => {
    if (outcome.is !== 'failed') return outcome
    const question = { error, failures: failures + 1, draw: deps.random.next(), now: deps.clock.now() }
    const policy = { ...retry, retries: Number.POSITIVE_INFINITY }
    return { ...outcome, retryDelayMs: await retryDelay(policy, question) }
  }
  try {
    const returned = await program(session, 'v' in parameters ? decodeJson(parameters.v) : undefined)
    const outcome = interpret?.(returned)
    return outcome === undefined ? completed(returned) : await withDelay(outcome, new Error(outcome.message))
  } catch (error) {
    return withDelay(failed(error), error)
  }
}
