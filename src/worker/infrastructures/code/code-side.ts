/**
 * The code's side of the channel, whatever carries it: waits for its start, loads the flow, runs it, tells how it ended, and
 * ends itself.
 *
 * Invariants
 * (S1) One program is one execution. It ends when the code has ended, or has left as far as can be seen.
 * (S2) How the code ended is the last thing that is said. Whatever comes after, an error that nothing catches too, does
 *      not change it.
 */

import { isMainThread } from 'node:worker_threads'
import { type InlineCode, inlineRunner } from '../../../actors/index.ts'
import {
  assertNever,
  CallboardError,
  type Deps,
  messageOf,
  settlesWithin,
  systemDeps,
} from '../../../core/index.ts'
import { type Environment, inlineFlow } from '../../../sdk/index.ts'
import type { CodePlan } from '../carrier.ts'
import type { FromCode, ToCode } from '../protocol.ts'
import { Calls } from './calls.ts'
import { lazyBroker } from './lazy-broker.ts'
import { loadFlowOf } from './load-flow.ts'
import { Speech } from './speech.ts'

/** What carries texts between the two sides. */
export interface Wire {
  send(texts: readonly string[]): void
  /** It alone keeps the program alive no longer. */
  unref(): void
  /** Calls back with each text from the worker. */
  listen(received: (text: string) => void): void
}

type Start = Extract<ToCode, { m: 'start' }>

/** How long the hooks of code that has crashed may take. */
const HOOKS_MS = 5_000
/** How long the program may go on after its end. */
const LINGER_MS = 500

export class CodeSide {
  readonly #wire: Wire
  readonly #calls: Calls
  readonly #speech: Speech
  readonly #deps = systemDeps()
  #code: InlineCode | undefined
  #env: Environment | undefined
  readonly #held: string[] = []
  #hasLeft = false
  #hasEnded = false
  #isCrashing = false

  constructor(wire: Wire) {
    this.#wire = wire
    this.#calls = new Calls((call) => this.#send(call as FromCode))
    this.#speech = new Speech(this.#deps.clock, (message) => this.#send(message))
  }

  serve(): void {
    process.on('uncaughtException', (error, origin) => this.#uncaught(error, origin))
    this.#wire.listen((text) => this.#receive(JSON.parse(text) as ToCode))
  }

  /** Something asks this program to end: the worker knows whether that was it. */
  asked(signal: 'SIGTERM'): void {
    if (!this.#hasLeft) this.#send({ m: 'asked', signal })
  }

  /** At once; what is only for the worker's own log goes with the next message, or with the end of this turn. */
  #send(message: FromCode): void {
    if (this.#hasEnded) return // (S2)
    this.#held.push(JSON.stringify(message))
    if (message.m !== 'log') this.#flush()
    else if (this.#held.length === 1) this.#deps.clock.defer(() => this.#flush())
  }

  #flush(): void {
    if (this.#held.length > 0) this.#wire.send(this.#held.splice(0))
  }

  #receive(message: ToCode): void {
    switch (message.m) {
      case 'start':
        void this.#start(message)
        return
      case 'answer':
        this.#calls.answered(message.id, message.out)
        return
      case 'refusal':
        this.#calls.refused(message.id, message.failure)
        return
      case 'leave':
        this.#hasLeft = true
        if (this.#code === undefined) this.#exit(0)
        else this.#code.leave(message.reason)
        return
      case 'crash':
        void this.#crash(message.message)
        return
      default:
        assertNever(message)
    }
  }

  async #start({ start, plan, settings, brokerUrl }: Start): Promise<void> {
    this.#speech.least = settings.keepLevel
    const deps: Deps = { ...this.#deps, logger: this.#speech.logger() }
    // Whatever is printed here is the run's, unless its flow or task wants it otherwise.
    const env = { deps, broker: lazyBroker(brokerUrl, deps), settings: { ...settings, logPrints: true } }
    this.#env = env
    this.#speech.catchOutput()
    try {
      settleIn(plan)
      const flow = await loadFlowOf(start, plan)
      const flows = new Map([[start.flow, inlineFlow(flow, env, this.#speech)]])
      this.#code = await inlineRunner(deps, flows).start(start, this.#calls)
    } catch (error) {
      this.#shout(error instanceof Error ? error.cause : undefined)
      this.#crashed(`The code could not be started: ${messageOf(error)}`)
      return
    }
    const { ended, gone } = this.#code
    void ended.then((outcome) => {
      if (this.#hasLeft || this.#isCrashing) return
      this.#tellEnd({ m: 'ended', outcome })
      this.#exit(0)
    })
    void gone.then(() => {
      if (this.#hasLeft) this.#exit(0)
    })
  }

  #uncaught(error: unknown, origin: string): void {
    if (process.listenerCount('uncaughtException') > 1) return // the code has its own way
    const what =
      origin === 'unhandledRejection'
        ? 'a promise that nothing handled was rejected'
        : 'nothing caught an error'
    this.#shout(error)
    const name = error instanceof Error ? `${error.name}: ` : ''
    void this.#crash(`The code was ended, as ${what}: ${name}${messageOf(error)}`)
  }

  /** As Node would: with its stack, to standard error. */
  #shout(error: unknown): void {
    const stack = error instanceof Error ? error.stack : undefined
    if (stack !== undefined) this.#speech.print('stderr', `${stack}\n`)
  }

  /** Its hooks run, as far as they get, and then it is over. */
  async #crash(message: string): Promise<void> {
    if (this.#isCrashing) return
    this.#isCrashing = true
    this.#code?.leave('crashed')
    await settlesWithin(this.#deps.clock, HOOKS_MS, this.#code?.hooked() ?? Promise.resolve())
    this.#crashed(message)
  }

  #crashed(message: string): void {
    this.#tellEnd({ m: 'ended', outcome: { is: 'crashed', message } })
    process.exit(1)
  }

  /** (S2) */
  #tellEnd(message: FromCode): void {
    this.#send(message)
    this.#hasEnded = true
  }

  /** (S1) What is under way although nobody waits for it, such as a last write, gets a moment. */
  #exit(code: number): void {
    process.exitCode = code
    this.#wire.unref()
    void this.#env?.broker.stop()
    this.#deps.clock.setTimer(LINGER_MS, () => process.exit(code), { ref: false })
  }
}

/** A process is the run's own, and may have been there before it: it takes on folder and variables now. */
function settleIn({ path, env = {} }: CodePlan): void {
  if (!isMainThread) return
  Object.assign(process.env, env)
  try {
    process.chdir(path)
  } catch (cause) {
    throw new CallboardError(
      'CB_E_CODE_LOAD',
      `The folder ${path} of the deployment cannot be entered: ${messageOf(cause)}. See that it is there, for this user.`,
      { cause },
    )
  }
}
