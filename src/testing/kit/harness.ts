/**
 * `testHarness()`: a whole Callboard in the process of a test, on a clock that the test moves. Flows are called as always;
 * what they do is the same as in production, but that two days pass in a moment and a crash comes when it is asked for.
 *
 * Invariants
 * (H1) On the virtual clock nothing happens but while the harness drives it: in `run`, `until` and `advance`.
 * (H2) When the process that hosts the runs dies, the next one is started at once, on the same broker.
 */

import { memoryBroker, memoryPlace } from '../../broker/embedded/index.ts'
import {
  type ClockView,
  type DurationInput,
  type Logger,
  mintId,
  parseDuration,
  type Random,
  seededRandom,
  silentLogger,
  systemClock,
  type VirtualClock,
  virtualClock,
} from '../../core/index.ts'
import { type Engine, RunClient, type RunEvent, type RunSettings, useEngine } from '../../sdk/index.ts'
import type { FaultPlan } from '../faults/index.ts'
import { buryLeases, startMachine, type TestMachine } from './machine.ts'

export interface TestHarnessOptions {
  /**
   * `virtual` (the default): time stands still but while the harness moves it. `real`: for flows that speak with other
   * processes; then `advance` is not there.
   */
  readonly time?: 'virtual' | 'real'
  /** Decides everything that is left to chance. Default 1. */
  readonly seed?: number
  /** What shall go wrong between the process and its broker; of each process anew. */
  readonly faults?: Omit<FaultPlan, 'seed'>
  /** The process dies at its n-th append, before or after it arrived. Once. */
  readonly crashAtAppend?: { readonly nth: number; readonly when: 'before' | 'after' }
  /** Where the lines go. Default: nowhere. */
  readonly logger?: Logger
  /** As the settings of the same names. */
  readonly settings?: Partial<Pick<RunSettings, 'logPrints' | 'maxRecoveries' | 'taskRetries'>>
  /** A run that waits longer than this leaves its process. Default 30 s. */
  readonly parkAfter?: DurationInput
}

export interface TestHarness extends AsyncDisposable {
  /** Runs code, flows called in it, and drives the clock until it has settled. */
  run<T>(code: () => T | PromiseLike<T>): Promise<T>
  /** Drives the clock until this has settled. */
  until<T>(promise: PromiseLike<T>): Promise<T>
  /** Lets this much time pass. */
  advance(duration: DurationInput): Promise<void>
  /** Now, by the harness's clock. */
  now(): Date
  /** Kills the process that hosts the runs, at this point; another takes over. */
  crash(): Promise<void>
  /** How many processes there were. */
  readonly machines: number
  /** Speaks with runs from outside of the process that can die. */
  readonly client: RunClient
  /** Every state that a run was in: `['Scheduled', 'Pending', 'Running', …]`, of the flow or of one task run. */
  states(run: string, of?: string): Promise<string[]>
  stop(): Promise<void>
}

/** Every harness is a world of its own; one at a time takes the flows that are called. */
export async function testHarness(options: TestHarnessOptions = {}): Promise<TestHarness> {
  const harness = new Harness(options)
  await harness.start()
  return harness
}

interface Process {
  readonly it: TestMachine
  readonly view: ClockView | undefined
  readonly died: PromiseWithResolvers<undefined>
}

class Harness implements TestHarness {
  readonly #options: TestHarnessOptions
  readonly #virtual: VirtualClock | undefined
  readonly #place: ReturnType<typeof memoryPlace>
  readonly #random: Random
  readonly #observer: ReturnType<typeof memoryBroker>
  readonly client: RunClient
  #machine: Process | undefined
  #booted: PromiseWithResolvers<Process> = Promise.withResolvers()
  #machines = 0
  #release: (() => void) | undefined
  #waiting = 0

  constructor(options: TestHarnessOptions) {
    this.#options = options
    this.#virtual = options.time === 'real' ? undefined : virtualClock()
    const clock = this.#virtual ?? systemClock
    this.#place = memoryPlace({ clock })
    this.#random = seededRandom(options.seed ?? 1)
    const deps = { clock, random: this.#random, logger: options.logger ?? silentLogger }
    this.#observer = memoryBroker(this.#place, deps)
    this.client = new RunClient({ broker: this.#observer, deps })
  }

  get machines(): number {
    return this.#machines
  }

  async start(): Promise<void> {
    await this.#drive(this.#observer.start())
    await this.#drive(this.#boot())
    this.#release = useEngine(this.#engine())
  }

  now(): Date {
    return new Date((this.#virtual ?? systemClock).now())
  }

  run<T>(code: () => T | PromiseLike<T>): Promise<T> {
    return this.until((async () => code())())
  }

  until<T>(promise: PromiseLike<T>): Promise<T> {
    return this.#drive(Promise.resolve(promise))
  }

  async advance(duration: DurationInput): Promise<void> {
    if (this.#virtual === undefined) throw new Error("Real time cannot be moved: take time: 'virtual'.")
    await this.#virtual.advance(parseDuration(duration, 'The time to advance'))
    await this.#replaceTheDead()
  }

  async crash(): Promise<void> {
    const machine = this.#machine
    if (machine === undefined) return
    void machine.it.broker.crash()
    await this.#replace(machine)
  }

  async states(run: string, of = 'flow'): Promise<string[]> {
    const names: string[] = []
    const events = async () => {
      for await (const event of this.client.events(run)) names.push(...nameIn(event, of))
    }
    await this.#drive(events())
    return names
  }

  async stop(): Promise<void> {
    this.#release?.()
    const machine = this.#machine
    this.#machine = undefined
    if (machine === undefined) return
    await this.#drive(machine.it.engine.life.stop().then(() => machine.it.broker.stop()))
    await this.#drive(this.#observer.stop())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** (H2) What flows are called on: whichever process is there now. */
  #engine(): Engine {
    const present = () => {
      if (this.#machine === undefined) throw new Error('The harness is stopped.')
      return this.#machine.it.engine
    }
    const { client } = this
    const counted = async <T>(work: () => Promise<T>): Promise<T> => {
      this.#waiting++
      try {
        return await work()
      } finally {
        this.#waiting--
      }
    }
    const waiting = () => this.#waiting
    return {
      get life() {
        return present().life
      },
      get env() {
        return present().env
      },
      get host() {
        return present().host
      },
      get scheduler() {
        return present().scheduler
      },
      client,
      get waiting() {
        return waiting()
      },
      get ongoing() {
        return present().ongoing
      },
      anotherHost: (options) => present().anotherHost(options),
      during: counted,
      run: (flow, parameters, options) =>
        counted(async () => client.wait(await this.#begin(flow, parameters, options))),
      start: async (flow, parameters, options) => client.handle(await this.#begin(flow, parameters, options)),
    }
  }

  /** Starts a run, also when the process dies over it. */
  async #begin(...[flow, parameters, options]: Parameters<Engine['start']>): Promise<string> {
    const id = options?.id ?? mintId({ clock: this.#virtual ?? systemClock, random: this.#random })
    for (;;) {
      const { died, it } = await this.#booted.promise
      const begun = it.engine.start(flow, parameters, { ...options, id })
      const handle = await Promise.race([begun, died.promise])
      if (handle !== undefined) return handle.id
    }
  }

  async #boot(): Promise<void> {
    const name = `machine-${++this.#machines}`
    const view = this.#virtual?.view({ name })
    const { crashAtAppend, faults = {}, logger = silentLogger, settings = {} } = this.#options
    const crash =
      crashAtAppend === undefined || this.#machines > 1
        ? []
        : [{ operation: 'log.append', fault: `crash-${crashAtAppend.when}`, nth: crashAtAppend.nth } as const]
    const it = await startMachine({
      name,
      seed: Math.floor(this.#random.next() * 2 ** 31),
      clock: view ?? systemClock,
      place: this.#place,
      logger,
      faults: { ...faults, rules: [...(faults.rules ?? []), ...crash] },
      parkAfterMs: parseDuration(this.#options.parkAfter ?? '30s', 'parkAfter'),
      settings: {
        logPrints: settings.logPrints ?? false,
        keepLevel: 'debug',
        graceMs: 30_000,
        lateAfterMs: 15_000,
        maxRecoveries: settings.maxRecoveries ?? 3,
        taskRetries: settings.taskRetries ?? 0,
        queue: 'test',
        uiUrl: undefined,
      },
    })
    this.#machine = { it, view, died: Promise.withResolvers() }
    this.#booted.resolve(this.#machine)
  }

  async #replaceTheDead(): Promise<void> {
    if (this.#machine?.it.isDead === true) await this.#replace(this.#machine)
  }

  /** (H2) */
  async #replace({ died, view }: Process): Promise<void> {
    this.#machine = undefined
    this.#booted = Promise.withResolvers()
    died.resolve(undefined)
    view?.kill()
    await this.#drive(buryLeases(this.#observer).then(() => this.#boot()))
  }

  /** (H1) */
  async #drive<T>(promise: Promise<T>): Promise<T> {
    const clock = this.#virtual
    if (clock === undefined) return promise
    let isSettled = false
    const settled = () => {
      isSettled = true
    }
    promise.then(settled, settled)
    await clock.settle()
    for (let steps = 0; !isSettled; steps++) {
      await this.#replaceTheDead()
      if (!isSettled && !(await clock.step())) await clock.settle()
      if (steps > MOST_STEPS) throw new Error('The run does not come to an end, however much time passes.')
    }
    return promise
  }
}

/** Far more than any test takes: what never ends is to be told. */
const MOST_STEPS = 2_000_000

function nameIn(event: RunEvent, of: string): string[] {
  return event.of === of ? [event.name] : []
}
