/** A cluster in one process: a broker with a clock of its own, and machines on the same time line. */

import {
  applyToRun,
  createRun,
  decodeEntry,
  type FlowEvent,
  type FlowPolicy,
  judgeFlow,
  type NewRun,
  openRun,
  type RunRecord,
  WorkerLease,
  workerAddress,
} from '../../src/actors/index.ts'
import { memoryBroker, memoryPlace } from '../../src/broker/embedded/index.ts'
import type { Broker } from '../../src/broker/index.ts'
import {
  type ClockView,
  type Deps,
  type Logger,
  type LogLevel,
  type Random,
  seededRandom,
  type ViewOptions,
  type VirtualClock,
  virtualClock,
} from '../../src/core/index.ts'
import { createScheduler, type Scheduler, type SchedulerOptions } from '../../src/scheduler/index.ts'

export interface Line {
  readonly level: LogLevel
  readonly facts: Readonly<Record<string, unknown>>
  readonly message: string
}

/** A logger that keeps what it is told. */
export function recordingLogger(lines: Line[]): Logger {
  const at = (level: LogLevel) => (facts: object, message: string) => {
    lines.push({ level, facts: { ...facts }, message })
  }
  const logger: Logger = {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  }
  return logger
}

/** One process: its clock, its connection, what it logs. */
export interface Machine {
  readonly name: string
  readonly clock: ClockView
  readonly deps: Deps
  readonly broker: Broker
  readonly lines: Line[]
  /** As kill -9: nothing of it runs any more, and its connection is gone. */
  kill(): void
}

export type NewInput = Partial<Omit<NewRun, 'policy'>> & { readonly policy?: Partial<FlowPolicy> }

export interface Stage {
  readonly clock: VirtualClock
  readonly random: Random
  /** Where the test itself stands. */
  readonly home: Machine
  machine(name: string, options?: ViewOptions): Promise<Machine>
  /** A scheduler on a machine of its own, started and holding. */
  scheduler(
    name: string,
    options?: SchedulerOptions,
    view?: ViewOptions,
  ): Promise<Scheduler & { machine: Machine }>
  /** Something that holds a worker's lease and answers at its address, on a machine of its own. */
  worker(id: string): Promise<Machine>
  /** Runs the cluster until the promise has settled. */
  drive<T>(promise: Promise<T>): Promise<T>
  /** `through`: the broker of whoever creates it. */
  create(input?: NewInput, through?: Broker): Promise<string>
  say(run: string, ...events: readonly FlowEvent[]): Promise<void>
  /** Creates many at once. */
  createMany(count: number, input: (index: number) => NewInput): Promise<string[]>
  recordsOf(run: string): Promise<RunRecord[]>
  /** Every record of every run that is in the log now, by run. */
  everything(): Promise<ReadonlyMap<string, readonly RunRecord[]>>
  tagOf(run: string): Promise<string | undefined>
  close(): Promise<void>
}

export const POLICY: FlowPolicy = {
  retries: 0,
  maxRecoveries: 3,
  onCrash: 'recover',
  graceMs: 30_000,
  timeoutMs: null,
  lateAfterMs: 15_000,
  target: { queue: 'default', priority: 1 },
  limits: [],
}

export async function makeStage(options: { readonly seed?: number } = {}): Promise<Stage> {
  const clock = virtualClock()
  const random = seededRandom(options.seed ?? 1)
  const place = memoryPlace({ clock: clock.view({ name: 'broker' }) })
  const everyMachine: Machine[] = []
  const schedulers: Scheduler[] = []
  const leases: [Machine, WorkerLease][] = []
  const dead = new Set<Machine>()

  async function machine(name: string, view: ViewOptions = {}): Promise<Machine> {
    const lines: Line[] = []
    const own = clock.view({ name, ...view })
    const deps: Deps = { clock: own, random, logger: recordingLogger(lines) }
    const broker = memoryBroker(place, deps)
    await clock.drive(broker.start())
    const one: Machine = {
      name,
      clock: own,
      deps,
      broker,
      lines,
      kill() {
        dead.add(one)
        own.kill()
        void broker.stop()
      },
    }
    everyMachine.push(one)
    return one
  }

  const home = await machine('home')

  async function create({ policy, ...input }: NewInput, through = home.broker): Promise<string> {
    const { run } = await createRun(through, home.deps, {
      flow: 'flow',
      name: 'a run',
      parameters: { v: null },
      by: { channel: 'test' },
      ...input,
      policy: { ...POLICY, ...policy },
    })
    return run
  }

  const machines = new Map<Scheduler, Machine>()

  return {
    clock,
    random,
    home,
    machine,
    async scheduler(name, given = {}, view = {}) {
      const on = await machine(name, view)
      const made = createScheduler(on.broker, on.deps, { id: name, ...given })
      schedulers.push(made)
      machines.set(made, on)
      await clock.drive(made.start())
      return Object.assign(made, { machine: on })
    },
    async worker(id) {
      const on = await machine(id)
      const facts = () => ({
        worker: id,
        status: 'ready' as const,
        queues: [],
        slots: 1,
        hosted: 0,
        startedAt: 0,
      })
      const { broker, deps } = on
      const lease = new WorkerLease({ broker, deps, worker: id, facts, lost() {}, regained() {} })
      await clock.drive(lease.start())
      await clock.drive(broker.bus.subscribe(workerAddress(id), () => ({})))
      leases.push([on, lease])
      return on
    },
    drive: (promise) => clock.drive(promise),
    create: (input = {}, through = home.broker) => clock.drive(create(input, through)),
    createMany: (count, input) =>
      clock.drive(Promise.all(Array.from({ length: count }, (_, index) => create(input(index))))),
    async say(run, ...events) {
      for (const event of events) await clock.drive(applyToRun(home.broker, home.deps, run, judgeFlow(event)))
    },
    async recordsOf(run) {
      const read = async () => {
        const records: RunRecord[] = []
        for await (const entry of home.broker.log.read(run)) records.push(...decodeEntry(entry))
        return records
      }
      return clock.drive(read())
    },
    everything() {
      const read = async () => {
        const all = new Map<string, RunRecord[]>()
        const following = await home.broker.log.follow({ partitions: 'all' }, 'start', (entries) => {
          for (const entry of entries) {
            const records = all.get(entry.subject) ?? []
            all.set(entry.subject, records)
            records.push(...decodeEntry(entry))
          }
        })
        await following.caughtUp
        await following.stop()
        return all
      }
      return clock.drive(read())
    },
    async tagOf(run) {
      return (await clock.drive(openRun(home.broker, home.deps, run)))?.state.tag
    },
    async close() {
      for (const each of schedulers) {
        const on = machines.get(each)
        if (on && !dead.has(on)) await clock.drive(each.stop())
      }
      for (const [on, lease] of leases) if (!dead.has(on)) await clock.drive(lease.stop())
      for (const each of everyMachine) if (!dead.has(each)) await clock.drive(each.broker.stop())
    },
  }
}

/** Waits until `check` holds: looks again after every step of the cluster. */
export async function until(stage: Stage, check: () => boolean, withinMs = 3_600_000): Promise<void> {
  const end = stage.clock.monotonic() + withinMs
  for (let isOver = false; !check(); ) {
    if (isOver || stage.clock.monotonic() > end)
      throw new Error(`It did not come to be within ${withinMs} ms.`)
    isOver = !(await stage.clock.step())
  }
}
