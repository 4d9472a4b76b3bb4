/**
 * The engine in this process: hosts runs, runs their code here, and has a scheduler at its side for whatever takes
 * longer than a moment. `local-engine.ts` opens one for scripts, the test kit one on a virtual clock.
 */

import { createHost, type Host, type HostOptions, type HostSettings, isTerminalTag } from '../actors/index.ts'
import { type Deps, mintId, type Service, service } from '../core/index.ts'
import { createScheduler, type Scheduler, type SchedulerOptions } from '../scheduler/index.ts'
import { bringAllParts } from './all-parts.ts'
import type { Environment } from './environment.ts'
import type { FlowDefinition } from './flow-definition.ts'
import type { FlowRunHandle, StartOptions } from './handle.ts'
import { newRun } from './new-run.ts'
import { registryRunner } from './registry-runner.ts'
import { RunClient, stateOfRun } from './run-client.ts'
import type { State } from './state.ts'

/** What a run is started with by whoever has an engine. */
export interface EngineStart extends StartOptions {
  /** Minted before: started twice under it, there is one run. */
  readonly id?: string
}

export interface EngineOptions {
  readonly env: Environment
  readonly host?: Partial<HostSettings>
  /** `true`: a run that was started counts as waited for until it ends. Default `false`. */
  readonly countsStarted?: boolean
  /** For host and scheduler, when they are to log less than runs do. Default: those of `env`. */
  readonly quiet?: Deps
  /** `false`: none; timers are then fired by whoever else holds the partitions. */
  readonly scheduler?: SchedulerOptions | false
}

export interface AnotherHost extends Pick<HostOptions, 'limitsOf'> {
  readonly settings: Partial<HostSettings> & Pick<HostSettings, 'queues'>
}

export interface Engine {
  /** Starts it and stops it. */
  readonly life: Service
  readonly env: Environment
  readonly host: Host
  readonly scheduler: Scheduler | undefined
  readonly client: RunClient
  /** Runs a flow here and gives its final state. */
  run(flow: FlowDefinition, parameters: unknown, options?: EngineStart): Promise<State>
  /** Starts a run here, or at its time; gives a handle once it exists. */
  start<R>(flow: FlowDefinition, parameters: unknown, options?: EngineStart): Promise<FlowRunHandle<R>>
  /** A host beside its own, with the same leases, to be started and stopped by whoever asks for it. */
  anotherHost(options: AnotherHost): Host
  /** Does something that it is needed for: it counts as waited for until that is over. */
  during<T>(work: () => Promise<T>): Promise<T>
  /** How many calls wait for something. */
  readonly waiting: number
  /** The runs that are waited for and have not ended, by id. */
  readonly ongoing: ReadonlyMap<string, OngoingRun>
}

export interface OngoingRun {
  readonly name: string
  readonly flow: FlowDefinition
}

bringAllParts()

/** Over a broker that is started. */
export function createEngine({
  env,
  countsStarted = false,
  host: hostSettings,
  quiet = env.deps,
  scheduler: schedulerOptions,
}: EngineOptions): Engine {
  const { broker, deps, settings } = env
  const runners = [registryRunner(env)]
  const host = createHost({
    broker,
    deps: quiet,
    runners,
    settings: { queues: [settings.queue], ...hostSettings },
  })
  const scheduler = schedulerOptions === false ? undefined : createScheduler(broker, quiet, schedulerOptions)
  const client = new RunClient(env)
  const ongoing = new Map<string, OngoingRun>()
  let waiting = 0
  const life = service('The engine', {
    async start() {
      await host.start()
      await scheduler?.start()
    },
    async stop() {
      await host.stop()
      await scheduler?.stop()
    },
  })

  async function begin(flow: FlowDefinition, parameters: unknown, options: EngineStart) {
    const { id, ...rest } = options
    const input = { ...newRun(env, flow, parameters, rest), ...(id === undefined ? {} : { id }) }
    const line = `Created flow run '${input.name}' for flow '${flow.name}'`
    deps.logger.child({ name: 'callboard.engine' }).info({}, line)
    const { run, over } = await host.begin(input)
    /** Nobody else has the code of these runs: this process stays for them. */
    const ended = () =>
      during(async () => {
        ongoing.set(run, { name: input.name, flow })
        try {
          const state = await over
          return state !== undefined && isTerminalTag(state.flow.tag)
            ? stateOfRun(env, state)
            : await client.wait(run)
        } finally {
          ongoing.delete(run)
        }
      })
    return { run, ended }
  }

  async function during<T>(work: () => Promise<T>): Promise<T> {
    waiting++
    try {
      return await work()
    } finally {
      waiting--
    }
  }

  return {
    life,
    env,
    host,
    scheduler,
    client,
    ongoing,
    get waiting() {
      return waiting
    },
    anotherHost: ({ settings: own, ...options }) =>
      createHost({
        broker,
        deps: quiet,
        runners,
        settings: { ...hostSettings, worker: mintId(deps), ...own },
        ...options,
      }),
    during,
    run: (flow, parameters, options = {}) =>
      during(async () => {
        const { ended } = await begin(flow, parameters, options)
        return ended()
      }),
    async start<R>(flow: FlowDefinition, parameters: unknown, options: EngineStart = {}) {
      const { run, ended } = await begin(flow, parameters, options)
      if (countsStarted) ended().catch(() => {}) // whoever waits for it by the handle is told
      return client.handle<R>(run)
    },
  }
}
