/** A cluster in one process and virtual time: machines with hosts, a scheduler, a broker with a clock of its own. */

import {
  createHost,
  createRun,
  decodeEntry,
  type FlowPolicy,
  type Host,
  type HostOptions,
  type HostSettings,
  type InlineFlow,
  inlineRunner,
  type NewRun,
  openRun,
  type Program,
  type RunRecord,
  type RunState,
  type Signal,
  sendSignal,
} from '../../../src/actors/index.ts'
import { memoryBroker, memoryPlace } from '../../../src/broker/embedded/index.ts'
import type { Entry } from '../../../src/broker/index.ts'
import {
  type ClockView,
  type Deps,
  seededRandom,
  silentLogger,
  type ViewOptions,
  type VirtualClock,
  virtualClock,
} from '../../../src/core/index.ts'
import { createScheduler, type Scheduler } from '../../../src/scheduler/index.ts'
import { type FaultPlan, type FaultyBroker, faulty } from '../../../src/testing/index.ts'
import { FLOW_POLICY } from './run.ts'

/** One process: its clock, and its connection, which can be made to fail. */
export interface Machine {
  readonly name: string
  readonly clock: ClockView
  readonly deps: Deps
  readonly broker: FaultyBroker
  /** As kill -9. */
  kill(): void
}

export interface HostMachine extends Machine {
  readonly host: Host
}

export type Flows = Readonly<Record<string, Program | InlineFlow>>

export type NewInput = Partial<Omit<NewRun, 'policy'>> & { readonly policy?: Partial<FlowPolicy> }

export interface HostStage {
  readonly clock: VirtualClock
  /** Where the test itself stands. */
  readonly home: Machine
  machine(
    name: string,
    options?: { readonly view?: ViewOptions; readonly plan?: Partial<FaultPlan> },
  ): Promise<Machine>
  /** A host on a machine of its own, started. It serves the queue `default`. */
  host(
    name: string,
    flows: Flows,
    settings?: Partial<HostSettings>,
    options?: {
      readonly view?: ViewOptions
      readonly plan?: Partial<FaultPlan>
      readonly limitsOf?: NonNullable<HostOptions['limitsOf']>
      readonly toldToDrain?: () => void
    },
  ): Promise<HostMachine>
  scheduler(name?: string): Promise<Scheduler>
  /** Runs the cluster until the promise has settled. */
  drive<T>(promise: Promise<T>): Promise<T>
  /** What a run is created from. */
  newRun(input?: NewInput): NewRun
  /** Creates a run, which goes into the queue. */
  create(input?: NewInput): Promise<string>
  /** Creates a run and hosts it there at once. */
  begin(on: HostMachine, input?: NewInput): Promise<string>
  signal(run: string, name: string, more?: Partial<Signal>): ReturnType<typeof sendSignal>
  stateOf(run: string): Promise<RunState>
  recordsOf(run: string): Promise<RunRecord[]>
  /** What happened to a run and its task runs, a line each: `START RUNNING.Running`, `add-0 COMPLETE COMPLETED.Completed`. */
  historyOf(run: string): Promise<string[]>
  /** How many entries its log has. */
  entriesOf(run: string): Promise<number>
  /** Runs the cluster until the run's newest state in the log is this one. */
  untilTag(run: string, tag: string, withinMs?: number): Promise<void>
  /** Runs the cluster until it holds, looking again after every step. */
  until(check: () => boolean, withinMs?: number): Promise<void>
  close(): Promise<void>
}

export const ME = { channel: 'test' } as const

export async function makeHostStage(): Promise<HostStage> {
  const clock = virtualClock()
  const place = memoryPlace({ clock: clock.view({ name: 'broker' }) })
  const machines: Machine[] = []
  const hosts: HostMachine[] = []
  const schedulers: Scheduler[] = []
  const dead = new Set<string>()
  let seed = 0
  let keys = 0

  const machine: HostStage['machine'] = async (name, { view = {}, plan = {} } = {}) => {
    const own = clock.view({ name, ...view })
    const deps: Deps = { clock: own, random: seededRandom(++seed), logger: silentLogger }
    const broker = faulty(memoryBroker(place, deps), { seed, ...plan }, deps)
    await clock.drive(broker.start())
    const made: Machine = {
      name,
      clock: own,
      deps,
      broker,
      kill() {
        dead.add(name)
        own.kill()
        void broker.crash()
      },
    }
    machines.push(made)
    return made
  }

  const home = await machine('home')

  /** The newest state of every run, as its log tells it. */
  const tags = new Map<string, string>()
  const following = await clock.drive(
    home.broker.log.follow({ partitions: 'all' }, 'start', (entries) => {
      for (const entry of entries)
        for (const record of readable(entry))
          if (record.k === 'flow' || record.k === 'created') tags.set(entry.subject, record.s)
    }),
  )

  const drive: HostStage['drive'] = (promise) => clock.drive(promise)

  const newRun = ({ policy, ...input }: NewInput = {}): NewRun => ({
    flow: 'flow',
    name: 'a run',
    parameters: { v: null },
    by: ME,
    ...input,
    policy: { ...FLOW_POLICY, ...policy },
  })

  const until: HostStage['until'] = async (check, withinMs = 600_000) => {
    const end = clock.monotonic() + withinMs
    while (!check()) {
      if (clock.monotonic() > end || !(await clock.step()))
        throw new Error(`It did not come to be within ${withinMs} ms of virtual time.`)
    }
  }

  async function readEntries(run: string) {
    return Array.fromAsync(home.broker.log.read(run))
  }

  const recordsOf: HostStage['recordsOf'] = async (run) =>
    (await drive(readEntries(run))).flatMap((entry) => decodeEntry(entry))

  async function stateOf(run: string): Promise<RunState> {
    const state = await drive(openRun(home.broker, home.deps, run))
    if (state === undefined) throw new Error(`There is no run ${run}.`)
    return state
  }

  return {
    clock,
    home,
    machine,
    async host(name, flows, settings = {}, options = {}) {
      const on = await machine(name, options)
      const programs = new Map(
        Object.entries(flows).map(([flow, made]) => [
          flow,
          typeof made === 'function' ? { program: made } : made,
        ]),
      )
      const host = createHost({
        broker: on.broker,
        deps: on.deps,
        runners: [inlineRunner(on.deps, programs)],
        settings: { worker: name, queues: ['default'], ...settings },
        ...(options.limitsOf === undefined ? {} : { limitsOf: options.limitsOf }),
        ...(options.toldToDrain === undefined ? {} : { toldToDrain: options.toldToDrain }),
      })
      await drive(host.start())
      const made = { ...on, host }
      hosts.push(made)
      return made
    },
    async scheduler(name = 'scheduler') {
      const on = await machine(name)
      const made = createScheduler(on.broker, on.deps, { id: name, pingEveryMs: 2_000 })
      schedulers.push(made)
      await drive(made.start())
      return made
    },
    drive,
    newRun,
    create: async (input = {}) => (await drive(createRun(home.broker, home.deps, newRun(input)))).run,
    begin: async (on, input = {}) => (await drive(on.host.begin(newRun(input)))).run,
    signal: (run, name, more = {}) =>
      drive(sendSignal(home.broker, home.deps, run, { name, key: `key-${++keys}`, by: ME, ...more })),
    stateOf,
    recordsOf,
    async historyOf(run) {
      return (await recordsOf(run)).flatMap(lineOf)
    },
    entriesOf: async (run) => (await drive(readEntries(run))).length,
    async untilTag(run, tag, withinMs) {
      await until(() => tags.get(run) === tag, withinMs).catch((cause) => {
        throw new Error(`The run is ${tags.get(run)}, not ${tag}.`, { cause })
      })
    },
    until,
    async close() {
      for (const each of hosts) if (!dead.has(each.name)) await drive(each.host.stop())
      for (const each of schedulers) await drive(each.stop())
      await drive(following.stop())
      for (const each of machines) if (!dead.has(each.name)) await drive(each.broker.stop())
    },
  }
}

/** Nothing, for an entry that is damaged on purpose. */
function readable(entry: Entry): RunRecord[] {
  try {
    return decodeEntry(entry)
  } catch {
    return []
  }
}

function lineOf(record: RunRecord): string[] {
  switch (record.k) {
    case 'created':
      return [`created ${record.s}`]
    case 'flow':
      return [`${record.e.type} ${record.s}`]
    case 'task':
      return [`${record.id} ${record.e.type} ${record.s}`]
    case 'tasks':
      return [`${record.count} tasks ${record.e.type} ${record.s}`]
    case 'wait':
      return [`${record.id} waits`]
    case 'wait-':
      return [`${record.id} ${record.outcome.is}`]
    case 'child':
      return [`${record.id} child`]
    case 'value':
      return [`${record.id} value`]
    case 'note':
      return [`note ${record.kind}`]
    case 'poison':
      return ['poison']
    default:
      return []
  }
}
