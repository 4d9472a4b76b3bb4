/**
 * The host of a run, as a body elsewhere sees it: what the body asks goes over the bus, and is asked again until there is
 * an answer.
 *
 * Invariants
 * (N1) A body that has asked its host for anything belongs to that host. Under another one it begins anew, and finds what
 *      it had done in the log: `fenced` is called then, and nothing is answered any more.
 * (N2) Notes are told to whoever hosts the run, or written from here; they bind to nobody.
 */

import type { Broker } from '../broker/index.ts'
import { type Deps, sleep } from '../core/index.ts'
import { untilAnswered } from './append.ts'
import { tellRun } from './apply.ts'
import type { HostCalls, HostPort } from './channel.ts'
import type { ErrandReply } from './errand-messages.ts'
import { errorOf } from './failures.ts'
import { parseRunReply, type RunReply, runAddress } from './messages.ts'
import { judgeDistantNote } from './rules.ts'
import { asJson } from './shape.ts'

export interface ErrandPortOptions {
  readonly broker: Broker
  readonly deps: Deps
  readonly worker: string
  readonly run: string
  readonly key: string
  /** Fires when the body is told to leave; it is not to be heard then, but for the notes of one that is cancelled. */
  readonly signal: AbortSignal
  /** Fires when nothing is to be sent any more. */
  readonly stopping: AbortSignal
  /** (N1) Its host is gone. */
  fenced(): void
}

/** Longer than a host takes to say that there is no answer yet. */
const ASK_MS = 8_000
const PAUSE_MS = 500
/** So often nobody may be home, or silent, before the host counts as gone. */
const TRIES = 4

export function errandPort(options: ErrandPortOptions): HostPort {
  return new ErrandPort(options)
}

class ErrandPort implements HostPort {
  readonly #options: ErrandPortOptions
  readonly #open = new Set<number>()
  #next = 0
  #epoch: number | undefined

  constructor(options: ErrandPortOptions) {
    this.#options = options
  }

  async call<K extends keyof HostCalls>(kind: K, input: HostCalls[K]['in']): Promise<HostCalls[K]['out']> {
    const { signal } = this.#options
    try {
      const answer: unknown =
        kind === 'note' ? await this.#note(input as HostCalls['note']['in']) : await this.#ask(kind, input)
      if (!signal.aborted) return answer as HostCalls[K]['out'] // what the host answers to this kind
    } catch (error) {
      if (!signal.aborted) throw error
    }
    return new Promise(() => {})
  }

  /** (N2) */
  async #note(note: HostCalls['note']['in']): Promise<null> {
    const { broker, deps, run, signal, stopping } = this.#options
    if (signal.aborted && signal.reason !== 'cancelled') return new Promise(() => {})
    const at = deps.clock.now()
    await untilAnswered(deps, stopping, () =>
      tellRun(broker, deps, run, { op: 'errand-note', note }, judgeDistantNote(note, at)),
    )
    return null
  }

  async #ask(kind: keyof HostCalls, input: object): Promise<unknown> {
    const n = this.#next++
    this.#open.add(n)
    try {
      for (let silent = 0; silent < TRIES; ) {
        const reply = await this.#request(n, kind, input)
        if (reply?.outcome === 'called') return reply.out
        if (reply?.outcome === 'refused') throw errorOf(reply.failure)
        if (reply?.outcome === 'calling') silent = 0
        else {
          silent++
          await sleep(this.#options.deps.clock, PAUSE_MS, this.#options.signal)
        }
      }
    } finally {
      this.#open.delete(n)
    }
    this.#options.fenced()
    return new Promise(() => {})
  }

  async #request(n: number, kind: keyof HostCalls, input: object): Promise<ErrandReply | undefined> {
    const { broker, key, run, signal, worker } = this.#options
    signal.throwIfAborted()
    const from = Math.min(...this.#open)
    const epoch = this.#epoch === undefined ? {} : { epoch: this.#epoch }
    const message = asJson({ op: 'errand-call', worker, key, n, from, ...epoch, kind, input })
    const reply = await broker.bus.request(runAddress(run), message, { timeoutMs: ASK_MS })
    const parsed = reply.outcome === 'reply' ? parseRunReply(reply.value) : undefined
    if (parsed === undefined || !isOfCall(parsed)) return undefined
    this.#epoch ??= parsed.epoch
    return parsed
  }
}

type OfCall = Extract<ErrandReply, { readonly epoch: number }>

function isOfCall(reply: RunReply): reply is OfCall {
  return reply.outcome === 'called' || reply.outcome === 'calling' || reply.outcome === 'refused'
}
