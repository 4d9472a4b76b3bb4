/**
 * Runs one scenario: a cluster of machines over one broker in memory, on one clock, in an order that the seed decides.
 *
 * Invariants
 * (Z1) The same scenario gives the same history, byte for byte: nothing here takes time, order or randomness from the
 *      platform.
 * (Z2) In the end every run has come to a right end, and nothing is left over: no queue item, nothing that still
 *      holds a run. On the way nothing happened that the observer says must never be.
 */

import { createHash } from 'node:crypto'
import { type MemoryPlace, memoryBroker, memoryPlace } from '../../broker/embedded/index.ts'
import {
  type Deps,
  type Logger,
  messageOf,
  randomOrder,
  seededRandom,
  silentLogger,
  type VirtualClock,
  virtualClock,
} from '../../core/index.ts'
import { LIMITS_BUCKET, limitKey } from '../../scheduler/index.ts'
import { type Ledger, makeLedger } from './ledger.ts'
import { bootMachine, type Machine } from './machine.ts'
import { makeObserver, type Observer } from './observer.ts'
import { playRun } from './outside.ts'
import { SIM_LIMIT, SIM_SLOTS, simProgram } from './programs.ts'
import type { Mishap, Scenario } from './scenario.ts'

export interface SimulationReport {
  readonly scenario: Scenario
  /** Empty when all is well. */
  readonly violations: readonly string[]
  /** Every entry of every log, in order. */
  readonly history: readonly string[]
  /** Of the history: equal for equal scenarios. */
  readonly digest: string
  /** Functions that the clock ran. */
  readonly steps: number
  /** How long it all took, on the virtual clock. */
  readonly virtualMs: number
}

export interface SimulationOptions {
  /** Hears everything that the machines log. */
  readonly logger?: Logger
}

/** A scenario that is not over by then is stuck. */
const LIMIT_MS = 15 * 60_000
/** After an outage each machine is back so much later than the one before. */
const LATER_BACK_MS = 700
/** A process that did not come up is started again after this. */
const SUPERVISOR_MS = 1_000
/** What may still be on its way when the last run has ended gets this long. */
const AFTERMATH_MS = 45_000

export async function simulate(
  scenario: Scenario,
  options: SimulationOptions = {},
): Promise<SimulationReport> {
  const clock = virtualClock({ choose: randomOrder(seededRandom(scenario.seed + 1)) })
  const observer = makeObserver()
  const ledger = makeLedger(observer.known)
  const place = memoryPlace({ clock: clock.view({ name: 'broker' }) })
  const logger = options.logger ?? silentLogger
  const deps: Deps = {
    clock: clock.view({ name: 'outside' }),
    random: seededRandom(scenario.seed + 2),
    logger,
  }
  const broker = memoryBroker(place, deps)
  const cluster = new Cluster(scenario, { clock, place, ledger, logger })
  const violations: string[] = []

  async function begin(): Promise<void> {
    await broker.start()
    const limits = await broker.kv.bucket(LIMITS_BUCKET)
    await limits.put(limitKey(SIM_LIMIT), {
      name: SIM_LIMIT,
      slots: SIM_SLOTS,
      strategy: 'enqueue',
      active: true,
    })
    await broker.log.follow({ partitions: 'all' }, 'start', observer.take)
    cluster.boot()
  }

  async function play(): Promise<void> {
    const look = (run: string) => observer.runs.get(run)
    const runs = await Promise.all(scenario.runs.map((planned) => playRun(broker, deps, planned, look)))
    for (const [i, planned] of scenario.runs.entries()) {
      const state = look(runs[i] ?? '')
      const wrong = state && simProgram(planned.program).wrong(state)
      if (wrong !== undefined) violations.push(`run ${runs[i]} (${planned.program}): ${wrong}`)
    }
  }

  await clock.drive(begin())
  let steps = 0
  const outcome = settle(play())
  while (outcome.is === 'pending') {
    cluster.strike(steps)
    if (!(await clock.step()) || clock.monotonic() > LIMIT_MS) break
    steps++
  }
  if (outcome.is === 'pending') violations.push(...stuckRuns(observer))
  if (outcome.is === 'failed') violations.push(messageOf(outcome.error))
  if (outcome.is === 'done') {
    const left = () => clock.drive(broker.queue.depth('sim'))
    const end = clock.monotonic() + AFTERMATH_MS
    while ((await left()) > 0 && clock.monotonic() < end) await clock.advance(1_000)
    if ((await left()) > 0) violations.push(`${await left()} work items are left in the queue`)
  }
  violations.push(...observer.violations, ...misdeeds(scenario, ledger))
  cluster.end()
  return {
    scenario,
    violations,
    history: observer.history,
    digest: createHash('sha256').update(observer.history.join('\n')).digest('hex'),
    steps,
    virtualMs: clock.monotonic(),
  }
}

/** The machines of a scenario, and what befalls them. */
class Cluster {
  readonly #scenario: Scenario
  readonly #world: { clock: VirtualClock; place: MemoryPlace; ledger: Ledger; logger: Logger }
  readonly #machines: Machine[] = []
  readonly #ahead: Mishap[]
  #booted = 0

  constructor(
    scenario: Scenario,
    world: { clock: VirtualClock; place: MemoryPlace; ledger: Ledger; logger: Logger },
  ) {
    this.#scenario = scenario
    this.#world = world
    this.#ahead = scenario.mishaps.toSorted((a, b) => a.atStep - b.atStep)
  }

  boot(): void {
    for (let i = 0; i < this.#scenario.machines; i++) this.#put(i)
  }

  /** What is to happen after this many steps. */
  strike(steps: number): void {
    while (this.#ahead[0] !== undefined && this.#ahead[0].atStep <= steps)
      this.#befall(this.#ahead.shift() as Mishap)
  }

  end(): void {
    for (const machine of this.#machines) machine.crash()
  }

  /** A new machine in this place. */
  #put(index: number): void {
    const { seed, faultRate } = this.#scenario
    const n = this.#booted++
    const machine = bootMachine({ ...this.#world, name: `m${n}`, seed: seed * 1_009 + n, faultRate })
    this.#machines[index] = machine
    machine.up.catch(() => this.#replace(index, SUPERVISOR_MS))
  }

  #replace(index: number, afterMs: number): void {
    this.#machines[index]?.crash()
    this.#world.clock.setTimer(afterMs, () => this.#put(index))
  }

  #befall({ kind, machine: index, forMs }: Mishap): void {
    const machine = this.#machines[index]
    if (machine === undefined || !machine.isAlive) return
    switch (kind) {
      case 'crash':
        this.#replace(index, forMs)
        return
      case 'freeze':
        machine.freeze()
        this.#world.clock.setTimer(forMs, () => machine.thaw())
        return
      case 'cut':
        machine.cut(forMs)
        return
      case 'outage':
        // Everybody comes back in their own time.
        for (const [i, each] of this.#machines.entries()) each.cut(forMs + i * LATER_BACK_MS)
        return
      case 'skew':
        machine.skew(forMs)
    }
  }
}

interface Outcome {
  is: 'pending' | 'done' | 'failed'
  error?: unknown
}

/** A promise's outcome, to look at. */
function settle(promise: Promise<void>): Outcome {
  const outcome: Outcome = { is: 'pending' }
  promise.then(
    () => {
      outcome.is = 'done'
    },
    (error) => {
      outcome.is = 'failed'
      outcome.error = error
    },
  )
  return outcome
}

function stuckRuns({ runs }: Observer): string[] {
  const stuck = [...runs.values()].filter(({ flow }) => flow.context.endTime === null)
  return stuck.map(
    ({ id, created, state, flow }) =>
      `run ${id} (${created.flow}) is stuck in ${state.tag}, worker ${flow.context.worker}, epoch ${flow.context.epoch}`,
  )
}

/** What the code did that it must not have done. */
function misdeeds({ mishaps }: Scenario, ledger: Ledger): string[] {
  const again = ledger.starts
    .filter(({ wasCompleted, epoch, ownerEpoch }) => wasCompleted && epoch === ownerEpoch)
    .map(
      ({ run, body, machine }) =>
        `run ${run}: ${machine} ran ${body} again although its result was in the log`,
    )
  const mayExceed = mishaps.some(({ kind }) => kind === 'freeze' || kind === 'cut' || kind === 'outage')
  const most = ledger.most(SIM_LIMIT)
  return !mayExceed && most > SIM_SLOTS
    ? [...again, `${most} bodies held the ${SIM_SLOTS} slots of ${SIM_LIMIT}`]
    : again
}
