/**
 * The child processes of a worker: those that run code, and spares that are started before they are needed, with Node up
 * and the SDK loaded. A spare is used once. Code that needs another heap limit, or variables that Node looks at when it
 * starts, gets a process of its own.
 */

import { CallboardError, type Deps, type Service, service, type Timer } from '../../core/index.ts'
import type { Carrier, CarrierEvents, CodePlan, Infrastructure } from './carrier.ts'
import { Guard } from './guard.ts'
import { CodeProcess, type ProcessShape } from './process.ts'

export interface ProcessesOptions {
  readonly deps: Pick<Deps, 'clock' | 'logger'>
  readonly spares: number
  /** Of all code that says nothing about it. */
  readonly memoryMb?: number | undefined
  readonly nodeFlags: readonly string[]
}

/** After a spare has died by itself, another one is not started before this. */
const REPLACE_MS = 5_000

export class Processes implements Infrastructure {
  readonly kind = 'process'
  readonly life: Service
  readonly #options: ProcessesOptions
  readonly #guard: Guard
  readonly #running = new Set<CodeProcess>()
  #spares: readonly CodeProcess[] = []
  #replacing: Timer | undefined
  #phase: 'new' | 'started' | 'stopped' = 'new'

  constructor(options: ProcessesOptions) {
    this.#options = options
    this.#guard = new Guard(options.deps)
    this.life = service('The processes of a worker', { start: () => this.#begin(), stop: () => this.#end() })
  }

  async start(plan: CodePlan, events: CarrierEvents): Promise<Carrier> {
    if (this.#phase !== 'started')
      throw new CallboardError(
        'CB_E_STOPPED',
        `The processes of this worker are ${this.#phase === 'new' ? 'not started yet' : 'stopped'}: there is none for the code of a run.`,
      )
    return this.#take(plan).open(events)
  }

  async #begin(): Promise<void> {
    this.#phase = 'started'
    this.#fill()
  }

  /** Kills what still runs: whoever wanted it to end well has waited for it. */
  async #end(): Promise<void> {
    this.#phase = 'stopped'
    this.#replacing?.cancel()
    await Promise.all([...this.#running].map((code) => code.kill()))
    await this.#guard.life.stop()
  }

  #take(plan: CodePlan): CodeProcess {
    const spare = this.#spares.find((candidate) => !candidate.isOver && candidate.suits(plan))
    if (spare === undefined) {
      const { env = {}, memoryMb = this.#options.memoryMb } = plan
      return this.#make({ env, memoryMb, nodeFlags: this.#options.nodeFlags })
    }
    this.#spares = this.#spares.filter((other) => other !== spare)
    this.#fill()
    return spare
  }

  #fill(): void {
    const { deps, memoryMb, nodeFlags, spares } = this.#options
    while (this.#spares.length < spares) {
      const spare = this.#make({ env: {}, memoryMb, nodeFlags })
      this.#spares = [...this.#spares, spare]
      void spare.exited.then((exit) => {
        if (!this.#spares.includes(spare)) return
        this.#spares = this.#spares.filter((other) => other !== spare)
        if (this.#phase === 'stopped') return
        deps.logger.warn(
          { ...exit, ...spare.describe() },
          'a process that waited for code has ended by itself',
        )
        this.#replacing ??= deps.clock.setTimer(REPLACE_MS, () => {
          this.#replacing = undefined
          this.#fill()
        })
      })
    }
  }

  #make(shape: ProcessShape): CodeProcess {
    void this.#guard.life.start() // with the first: who runs nothing in processes needs none
    const made = new CodeProcess(this.#options.deps, this.#guard, shape)
    this.#running.add(made)
    void made.exited.then(() => this.#running.delete(made))
    return made
  }
}
