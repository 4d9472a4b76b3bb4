/**
 * An engine to be measured: a host and a scheduler in this process, on the stand's broker; and, once somebody submits
 * through it, a client that starts runs through the queue and learns of their end from the log, as somebody elsewhere
 * would.
 */

import {
  type Begun,
  createHost,
  createRun,
  type FlowPolicy,
  inlineRunner,
  isTerminalTag,
  type NewRun,
  type Program,
  type RunState,
  type StateTag,
  sendSignal,
} from '../../src/actors/index.ts'
import type { Broker, Entry, Following } from '../../src/broker/index.ts'
import { isJsonObject, type JsonValue, mintId, systemDeps } from '../../src/core/index.ts'
import { createScheduler } from '../../src/scheduler/index.ts'

export interface EngineStage {
  readonly broker: Broker
  /** Makes a flow of it; gives its name. */
  define(program: Program): string
  /** Hosts a run here at once; resolves with its result when it has completed. */
  call(flow: string, parameters?: JsonValue): Promise<JsonValue>
  /** As a client: through the log and the queue, until its end is seen in the log. */
  submit(flow: string, parameters?: JsonValue): Promise<Submitted>
  resume(run: string): Promise<void>
  close(): Promise<void>
}

export interface Submitted {
  readonly run: string
  /** Rejects when it ends in any other way than completed. */
  readonly completed: Promise<void>
}

const QUEUE = 'bench'

const POLICY: FlowPolicy = {
  retries: 0,
  maxRecoveries: 3,
  onCrash: 'recover',
  graceMs: 5_000,
  timeoutMs: null,
  lateAfterMs: 60_000,
  target: { queue: QUEUE, priority: 1 },
  limits: [],
}

const deps = systemDeps()

export function newRun(flow: string, parameters: JsonValue = null): NewRun {
  return { flow, name: flow, parameters: { v: parameters }, policy: POLICY, by: { channel: 'bench' } }
}

/** @param queue whose runs it hosts */
export async function openEngine(broker: Broker, queue = QUEUE): Promise<EngineStage> {
  const flows = new Map<string, { readonly program: Program }>()
  const host = createHost({
    broker,
    deps,
    runners: [inlineRunner(deps, flows)],
    settings: { queues: [queue], slots: 256 },
  })
  const scheduler = createScheduler(broker, deps)
  await host.start()
  await scheduler.start()
  const ends = new Map<string, (tag: StateTag) => void>()
  let watching: Promise<Following> | undefined
  const watch = () => {
    watching ??= broker.log.follow({ partitions: 'all' }, 'tail', (entries) => {
      for (const entry of entries) {
        const tag = endIn(entry)
        if (tag !== undefined) ends.get(entry.subject)?.(tag)
      }
    })
    return watching
  }
  return {
    broker,
    define(program) {
      const name = `flow-${flows.size}`
      flows.set(name, { program })
      return name
    },
    call: async (flow, parameters) => resultOf(await host.begin(newRun(flow, parameters))),
    async submit(flow, parameters) {
      await watch()
      const id = mintId(deps)
      const completed = new Promise<void>((resolve, reject) => {
        ends.set(id, (tag) => {
          ends.delete(id)
          if (tag === 'COMPLETED.Completed') resolve()
          else reject(new Error(`Run ${id} ended ${tag}.`))
        })
      })
      await createRun(broker, deps, { ...newRun(flow, parameters), id })
      return { run: id, completed }
    },
    async resume(run) {
      const answer = await sendSignal(broker, deps, run, {
        name: 'resume',
        key: mintId(deps),
        by: { channel: 'bench' },
      })
      if (answer.outcome !== 'applied')
        throw new Error(`A resume of run ${run} was answered ${JSON.stringify(answer)}.`)
    },
    async close() {
      await (await watching)?.stop()
      await host.stop()
      await scheduler.stop()
    },
  }
}

async function resultOf({ run, over }: Begun): Promise<JsonValue> {
  const state: RunState | undefined = await over
  const result = state?.result
  if (state?.flow.tag !== 'COMPLETED.Completed' || result === undefined || !('v' in result))
    throw new Error(`Run ${run} ended ${state?.flow.tag} with ${JSON.stringify(result)}.`)
  return result.v
}

/** How the run ended, if this entry says so. Looked for without a schema: it is asked for every entry of every run. */
function endIn({ records }: Entry): StateTag | undefined {
  for (const record of records)
    if (isJsonObject(record) && record.k === 'flow') {
      const tag = record.s as StateTag
      if (isTerminalTag(tag)) return tag
    }
  return undefined
}
