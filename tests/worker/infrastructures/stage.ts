/** A host with one infrastructure, a scheduler and a broker in memory, on the machine's own clock. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Answer,
  createHost,
  createRun,
  decodeEntry,
  type FlowPolicy,
  type FlowRecord,
  isTerminalTag,
  openRun,
  type Runner,
  type RunRecord,
  type RunState,
  sendSignal,
} from '../../../src/actors/index.ts'
import { memoryBroker, memoryPlace } from '../../../src/broker/embedded/index.ts'
import { openBroker } from '../../../src/broker/index.ts'
import { decodeJson, type Logger, mintId, type Service, systemDeps } from '../../../src/core/index.ts'
import { createScheduler } from '../../../src/scheduler/index.ts'
import type { KeptLine, RunSettings } from '../../../src/sdk/index.ts'
import {
  type CodePlan,
  inlineRunner,
  type ProcessOptions,
  processRunner,
  threadRunner,
} from '../../../src/worker/infrastructures/index.ts'

export const FIXTURES = join(import.meta.dirname, 'fixtures')

export type Kind = 'inline' | 'thread' | 'process'

export interface StageOptions extends Partial<Pick<ProcessOptions, 'spares' | 'nodeFlags'>> {
  readonly plan?: Partial<CodePlan>
  readonly isStopping?: () => boolean
  /** A broker that code apart from the worker can reach too. Default: one in memory. */
  readonly brokerUrl?: string
}

export interface Stage extends AsyncDisposable {
  /** What the worker's own log got: the messages. */
  readonly logged: string[]
  /** Starts a run of `file.ts:export`; gives its id. */
  start(entrypoint: string, parameters?: unknown, policy?: Partial<FlowPolicy>): Promise<string>
  /** Starts a run of this flow, without a deployment: the plan says where its code is. */
  startFlow(flow: string, parameters?: unknown): Promise<string>
  signal(run: string, name: string, payload?: unknown): Promise<Answer>
  /** Resolves with the run's records as soon as this holds of them. */
  until(run: string, wanted: (records: readonly RunRecord[]) => boolean): Promise<readonly RunRecord[]>
  /** Resolves once the run is in a state of this name. */
  untilState(run: string, name: string): Promise<void>
  /** Resolves once the run's log holds this line. */
  untilLine(run: string, part: string): Promise<string>
  /** Waits for the end of a run. */
  end(run: string): Promise<Ended>
  /** How many runs are hosted. */
  readonly hosted: number
}

export interface Ended {
  readonly state: RunState
  /** The transition into its end. */
  readonly last: FlowRecord
  /** What its log holds of what its code said: `level task: message`. */
  readonly lines: readonly string[]
}

const SETTINGS: RunSettings = {
  logPrints: true,
  keepLevel: 'info',
  graceMs: 30_000,
  lateAfterMs: 60_000,
  maxRecoveries: 3,
  taskRetries: 0,
  queue: 'default',
  uiUrl: undefined,
}

const POLICY: FlowPolicy = {
  retries: 0,
  maxRecoveries: 3,
  onCrash: 'crash',
  graceMs: 30_000,
  timeoutMs: null,
  lateAfterMs: 60_000,
  target: { queue: 'default', priority: 1 },
  limits: [],
}

export async function infrastructureStage(kind: Kind, options: StageOptions = {}): Promise<Stage> {
  const logged: string[] = []
  const deps = systemDeps(recorder(logged))
  const { brokerUrl } = options
  const broker =
    brokerUrl === undefined
      ? memoryBroker(memoryPlace({ clock: deps.clock }), deps)
      : await openBroker(brokerUrl, deps)
  await broker.start()
  const logs = new Map<string, RunRecord[]>()
  const lookers = new Set<() => void>()
  const following = await broker.log.follow({ partitions: 'all' }, 'start', (entries) => {
    for (const entry of entries)
      logs.set(entry.subject, [...(logs.get(entry.subject) ?? []), ...decodeEntry(entry)])
    for (const look of lookers) look()
  })
  const codeOf = async ({ deployment = '' }: { deployment?: string }): Promise<CodePlan> => ({
    path: FIXTURES,
    entrypoint: deployment,
    ...options.plan,
  })
  const lives: Service[] = []
  let runner: Runner
  if (kind === 'inline') runner = inlineRunner({ codeOf, env: { deps, broker, settings: SETTINGS } })
  else if (kind === 'thread') runner = threadRunner({ codeOf, deps, settings: SETTINGS, brokerUrl })
  else {
    const { isStopping = () => false, nodeFlags = [], spares = 1 } = options
    const shape = { nodeFlags, spares, brokerUrl, isStopping }
    const processes = processRunner({ codeOf, deps, settings: SETTINGS, ...shape })
    runner = processes
    lives.push(processes.life)
  }
  const host = createHost({ broker, deps, runners: [runner], settings: { queues: ['default'], drainMs: 0 } })
  const scheduler = createScheduler(broker, deps)
  lives.push(host, scheduler)
  for (const life of lives) await life.start()

  const until: Stage['until'] = (run, wanted) =>
    new Promise((resolve) => {
      const look = () => {
        const records = logs.get(run) ?? []
        if (!wanted(records)) return
        lookers.delete(look)
        resolve(records)
      }
      lookers.add(look)
      look()
    })
  const recordsWith = (records: readonly RunRecord[]) => records.filter((record) => record.k === 'flow')

  async function create(
    of: { readonly flow: string; readonly deployment?: string },
    parameters: unknown = null,
    policy: Partial<FlowPolicy> = {},
  ): Promise<string> {
    const { run } = await createRun(broker, deps, {
      ...of,
      name: 'a-run',
      parameters: { v: parameters as never },
      policy: { ...POLICY, ...policy },
      by: { channel: 'test' },
    })
    return run
  }

  return {
    logged,
    get hosted() {
      return host.hosted
    },
    start: (deployment, parameters, policy) => create({ flow: 'a-flow', deployment }, parameters, policy),
    startFlow: (flow, parameters) => create({ flow }, parameters),
    signal: (run, name, payload) =>
      sendSignal(broker, deps, run, {
        name,
        key: mintId(deps),
        by: { channel: 'test' },
        ...(payload === undefined ? {} : { payload: { v: payload as never } }),
      }),
    until,
    async untilState(run, name) {
      await until(run, (records) => recordsWith(records).some(({ s }) => s.endsWith(`.${name}`)))
    },
    async untilLine(run, part) {
      const lines = linesIn(
        await until(run, (records) => linesIn(records).some((line) => line.includes(part))),
      )
      return lines.find((line) => line.includes(part)) ?? ''
    },
    async end(run) {
      const records = await until(run, (all) => recordsWith(all).some(({ s }) => isTerminalTag(s)))
      const state = await openRun(broker, deps, run)
      const last = recordsWith(records).findLast(({ s }) => isTerminalTag(s))
      if (state === undefined || last === undefined) throw new Error(`There is no end of run ${run}.`)
      return { state, last, lines: linesIn(records) }
    },
    async [Symbol.asyncDispose]() {
      for (const life of lives.toReversed()) await life.stop()
      await following.stop()
      await broker.stop()
    },
  }
}

/** What the run returned; null when nothing. */
export function resultOf({ state: { result } }: Pick<Ended, 'state'>): unknown {
  return result !== undefined && 'v' in result ? decodeJson(result.v) : null
}

export const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`)

/** Looks as often as the event loop turns. The system takes a moment to bury the dead. */
export async function untilGone(pid: number): Promise<void> {
  while (isAlive(pid)) await new Promise((resolve) => setImmediate(resolve))
}

function linesIn(records: readonly RunRecord[]): string[] {
  return records.flatMap((record) =>
    record.k === 'note' && record.kind === 'log' && Array.isArray(record.data.lines)
      ? record.data.lines.map((line) => lineOf(line as object as KeptLine))
      : [],
  )
}

function lineOf({ level, message, task }: KeptLine): string {
  return `${level} ${task ?? 'flow'}: ${message}`
}

function recorder(messages: string[]): Logger {
  const log = (_: object, message: string) => void messages.push(message)
  return { trace: () => {}, debug: log, info: log, warn: log, error: log, child: () => recorder(messages) }
}
