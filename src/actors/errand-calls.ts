/**
 * What a body that runs elsewhere asks of the host of its run: the tasks, child runs and waits inside of it, as code beside
 * the host asks for them. Bus requests may be lost, so each call has a number and is answered as often as it is asked.
 *
 * Invariants
 * (M1) A call is made once, however often it is asked.
 * (M2) Once the body has gone to another process, the calls of the one before are forgotten: it makes them anew, under the
 *      same identities.
 */

import type { JsonValue } from '../core/index.ts'
import type { HostCalls, HostPort } from './channel.ts'
import type { ErrandCall, ErrandReply } from './errand-messages.ts'
import type { Failure } from './events.ts'
import { failureOf } from './failures.ts'
import type { HostContext } from './host-context.ts'
import { isRecord, isText } from './shape.ts'

/** How long an answer is waited for before the body is told to ask again. */
const ANSWERED_WITHIN_MS = 5_000

type Made =
  | { readonly is: 'out'; readonly out: JsonValue }
  | { readonly is: 'failed'; readonly failure: Failure }

export interface ErrandCallsOptions {
  readonly context: Pick<HostContext, 'dueTimes'>
  readonly port: HostPort
  /** Nobody runs that task any more, whoever had asked for it. */
  abandon(task: string): void
}

export class ErrandCalls {
  readonly #options: ErrandCallsOptions
  readonly #made = new Map<number, Promise<Made>>()
  /** Task runs that the body has asked for. */
  readonly #tasks = new Set<string>()

  constructor(options: ErrandCallsOptions) {
    this.#options = options
  }

  async answer({ n, from, kind, input }: ErrandCall, epoch: number): Promise<ErrandReply> {
    for (const earlier of this.#made.keys()) if (earlier < from) this.#made.delete(earlier)
    const made = this.#made.get(n) ?? this.#make(kind, input) // (M1)
    this.#made.set(n, made)
    const late = Promise.withResolvers<undefined>()
    const timer = this.#options.context.dueTimes.after(ANSWERED_WITHIN_MS, () => late.resolve(undefined))
    const answer = await Promise.race([made, late.promise])
    timer.cancel()
    if (answer === undefined) return { outcome: 'calling', epoch }
    if (answer.is === 'out') return { outcome: 'called', epoch, out: answer.out }
    return { outcome: 'refused', epoch, failure: answer.failure }
  }

  /** (M2) The body is gone. */
  forget(): void {
    this.#made.clear()
    for (const task of this.#tasks) this.#options.abandon(task)
    this.#tasks.clear()
  }

  async #make(kind: keyof HostCalls, input: JsonValue): Promise<Made> {
    if (kind === 'task.call' && isRecord(input) && isText(input.id)) this.#tasks.add(input.id)
    try {
      const out: unknown = await this.#options.port.call(kind, input as never)
      return { is: 'out', out: out as JsonValue } // the channel holds nothing else
    } catch (error) {
      return { is: 'failed', failure: failureOf(error) }
    }
  }
}
