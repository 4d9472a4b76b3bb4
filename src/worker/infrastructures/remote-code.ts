/**
 * A run's code in a carrier, as its host sees it: relays its calls, keeps its lines, and tells how it ended.
 *
 * Invariants
 * (R1) How the code ended is told once: by its own last message, else by how its carrier ended. Before that, every line
 *      that it printed is on its way into the run's log.
 * (R2) What comes from the code is checked. A message that is none ends the code and crashes the run with its text; it
 *      never reaches the host.
 * (R3) `gone` is told when the carrier has ended, and not before.
 */

import {
  type BodyOutcome,
  failureOf,
  type HostCalls,
  type HostPort,
  type LeaveReason,
  type RunningCode,
  type RunStart,
} from '../../actors/index.ts'
import { assertNever, type Deps, decodeJson, type Logger, type Timer } from '../../core/index.ts'
import { LineKeeper, RunLines, type RunSettings } from '../../sdk/index.ts'
import type { Carrier, CarrierEvents, CodePlan, Exit, Infrastructure, OutputStream } from './carrier.ts'
import { explainExit } from './explain.ts'
import { LineSplitter } from './line-splitter.ts'
import { type Call, type FromCode, parseFromCode, type ToCode } from './protocol.ts'

export interface RemoteOptions {
  readonly deps: Deps
  readonly settings: RunSettings
  /** The broker that the code's own doings (caches, locks, signals to other runs) go to. Unset: there is none. */
  readonly brokerUrl?: string | undefined
  /**
   * Whether this worker is about to stop. Whatever asks it to may have asked the code as well, as systemd does: then it is
   * the worker's to say what becomes of the run. Default: it never is.
   */
  isStopping?(): boolean
}

type Printed = Extract<FromCode, { m: 'print' }>

/** A signal to the code may be there before the one to its worker. */
const SIGNAL_MS = 1_000
/** What the hooks of code that has crashed may take, and a little more. */
const HOOKS_MS = 6_000
/** Lines of standard error that a crash is told with. */
const TAIL_LINES = 20
const TAIL_CHARS = 500

/** Starts the code of a run in a carrier. Rejects when there is no bringing that up. */
export async function startRemote(
  infrastructure: Infrastructure,
  plan: CodePlan,
  options: RemoteOptions,
  start: RunStart,
  host: HostPort,
): Promise<RunningCode> {
  const code = new RemoteCode(infrastructure.kind, plan, options, start, host)
  const carrier = await infrastructure.start(plan, code.events)
  code.begin(carrier)
  return code
}

class RemoteCode implements RunningCode {
  readonly ended: Promise<BodyOutcome>
  readonly gone: Promise<void>
  readonly events: CarrierEvents
  readonly #kind: Infrastructure['kind']
  readonly #plan: CodePlan
  readonly #options: RemoteOptions
  readonly #start: RunStart
  readonly #logger: Logger
  readonly #keeper: LineKeeper
  /** Of what came past the code's own streams. */
  readonly #raw: Readonly<Record<OutputStream, LineSplitter>>
  /** Of lines that the code has not finished. */
  readonly #begun = new Map<string, LineSplitter>()
  readonly #tail: string[] = []
  readonly #end = Promise.withResolvers<BodyOutcome>()
  readonly #gone = Promise.withResolvers<void>()
  #carrier: Carrier | undefined
  #asking: Timer | undefined
  /** What it will have crashed of, whatever ends it. */
  #doom: string | undefined
  #hasEnded = false
  #hasLeft = false

  constructor(
    kind: Infrastructure['kind'],
    plan: CodePlan,
    options: RemoteOptions,
    start: RunStart,
    host: HostPort,
  ) {
    const { deps, settings } = options
    this.#kind = kind
    this.#plan = plan
    this.#options = options
    this.#start = start
    this.#logger = deps.logger.child({ flowRun: start.name, run: start.run })
    this.#keeper = new LineKeeper(host, deps, settings.keepLevel)
    this.#raw = { stdout: this.#splitter({ to: 'stdout' }), stderr: this.#splitter({ to: 'stderr' }) }
    this.ended = this.#end.promise
    this.gone = this.#gone.promise
    this.events = {
      message: (text) => this.#message(text),
      output: (to, bytes) => this.#raw[to].bytes(bytes),
      exited: (exit) => this.#exited(exit),
    }
  }

  begin(carrier: Carrier): void {
    const { brokerUrl = null, settings } = this.#options
    this.#carrier = carrier
    this.#send({ m: 'start', start: this.#start, plan: this.#plan, settings, brokerUrl })
    this.#logger.debug(carrier.describe(), `the code of the run is in a ${this.#kind}`)
  }

  leave(reason: LeaveReason): void {
    if (this.#hasLeft) return
    this.#hasLeft = true
    this.#send({ m: 'leave', reason })
    this.#carrier?.stop()
    this.#keeper.leave(reason)
  }

  async kill(): Promise<'gone' | 'abandoned'> {
    return (await this.#carrier?.kill()) ?? 'gone'
  }

  #send(message: ToCode): void {
    this.#carrier?.send(JSON.stringify(message))
  }

  // ── what comes from the code

  #message(text: string): void {
    let message: FromCode
    try {
      message = parseFromCode(text)
    } catch (error) {
      this.#refuse(error) // (R2)
      return
    }
    switch (message.m) {
      case 'call':
        this.#relay(message)
        return
      case 'line':
        this.#keeper.keep(message.line)
        return
      case 'log':
        this.#options.deps.logger[message.level](factsOf(message.facts), message.message)
        return
      case 'print':
        this.#print(message)
        return
      case 'dropped':
        this.#keeper.drop(message.lines)
        return
      case 'asked':
        this.#asked(message.signal)
        return
      case 'ended':
        void this.#tellEnd(message.outcome)
        return
      default:
        assertNever(message)
    }
  }

  #relay<K extends keyof HostCalls>({ id, kind, in: input }: Call<K>): void {
    const answer = async () => this.#keeper.port.call(kind, input)
    answer().then(
      (out) => this.#send({ m: 'answer', id, out }),
      (error) => this.#send({ m: 'refusal', id, failure: failureOf(error) }),
    )
  }

  #asked(signal: string): void {
    const { deps, isStopping } = this.#options
    const look = () => {
      if (this.#hasLeft || this.#hasEnded || isStopping?.() === true) return
      this.#doom = explainExit({ kind: this.#kind, exit: { is: 'signal', signal }, stderr: [] })
      this.#send({ m: 'crash', message: this.#doom })
      this.#asking = deps.clock.setTimer(HOOKS_MS, () => void this.#carrier?.kill(), { ref: false })
    }
    this.#asking ??= deps.clock.setTimer(SIGNAL_MS, look, { ref: false })
  }

  #refuse(error: unknown): void {
    const shown = error instanceof Error ? error.message : String(error)
    void this.#tellEnd({
      is: 'crashed',
      message: `The code sent its worker something that is no message: ${shown}`,
    })
    void this.#carrier?.kill()
  }

  // ── what it prints

  /** Each task run has lines of its own, so that what several print at once stays in one piece. */
  #print(printed: Printed): void {
    const { keep, task, text, to } = printed
    const name = `${to} ${keep} ${task?.id ?? ''}`
    const splitter = this.#begun.get(name) ?? this.#splitter(printed)
    splitter.text(text)
    if (splitter.isEmpty) this.#begun.delete(name)
    else this.#begun.set(name, splitter)
  }

  #splitter({ to, task, keep = true }: Pick<Printed, 'to'> & Partial<Printed>): LineSplitter {
    const lines = this.#lines(task)
    const level = to === 'stderr' ? 'warn' : 'info'
    return new LineSplitter((text) => {
      if (to === 'stderr') this.#remember(text)
      if (keep) lines[level](text)
      else this.#logger[level]({}, text)
    })
  }

  #lines(task: Printed['task']): RunLines {
    return new RunLines({ deps: this.#options.deps, logger: this.#logger, keeper: this.#keeper }, task)
  }

  #remember(line: string): void {
    this.#tail.push(line.slice(0, TAIL_CHARS))
    if (this.#tail.length > TAIL_LINES) this.#tail.shift()
  }

  // ── how it ends

  /** (R1) */
  async #tellEnd(outcome: BodyOutcome): Promise<void> {
    if (this.#hasEnded) return
    this.#hasEnded = true
    await this.#outputRead()
    this.#endLines()
    await this.#keeper.drain()
    this.#end.resolve(outcome.is === 'crashed' ? this.#withDetails(outcome) : outcome)
  }

  /** What other programs have printed by now is read after two turns: it is in the pipe. */
  async #outputRead(): Promise<void> {
    const { clock } = this.#options.deps
    for (let turn = 0; turn < 2; turn++) await new Promise<void>((resolve) => clock.defer(resolve))
  }

  #endLines(): void {
    for (const splitter of [...this.#begun.values(), this.#raw.stdout, this.#raw.stderr]) splitter.end()
    this.#keeper.flush()
  }

  #exited(exit: Exit): void {
    this.#asking?.cancel()
    this.#endLines()
    this.#gone.resolve() // (R3)
    const circumstances = { kind: this.#kind, exit, memoryMb: this.#plan.memoryMb, stderr: this.#tail }
    const details = exit.is === 'error' ? {} : { [exit.is]: exit.is === 'code' ? exit.code : exit.signal }
    void this.#tellEnd({ is: 'crashed', message: this.#doom ?? explainExit(circumstances), details })
  }

  #withDetails(outcome: Extract<BodyOutcome, { is: 'crashed' }>): BodyOutcome {
    const stderr = this.#tail.length === 0 ? {} : { stderr: this.#tail }
    return { ...outcome, details: { ...this.#carrier?.describe(), ...outcome.details, ...stderr } }
  }
}

function factsOf(facts: Extract<FromCode, { m: 'log' }>['facts']): object {
  try {
    const decoded = decodeJson(facts)
    return typeof decoded === 'object' && decoded !== null ? decoded : {}
  } catch {
    return {}
  }
}
