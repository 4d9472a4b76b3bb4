/** An engine to be measured: a host and a scheduler in this process, on the stand's broker. */

import { type Begun, createHost, inlineRunner, type Program, type RunState } from '../../src/actors/index.ts'
import type { Broker } from '../../src/broker/index.ts'
import { type JsonValue, systemDeps } from '../../src/core/index.ts'
import { createScheduler } from '../../src/scheduler/index.ts'
import { newRun, QUEUE } from './new-run.ts'

export interface EngineStage {
  readonly broker: Broker
  /** Makes a flow of it; gives its name. */
  define(program: Program): string
  /** Hosts a run here at once; resolves with its result when it has completed. */
  call(flow: string, parameters?: JsonValue): Promise<JsonValue>
  close(): Promise<void>
}

const deps = systemDeps()

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
  return {
    broker,
    define(program) {
      const name = `flow-${flows.size}`
      flows.set(name, { program })
      return name
    },
    call: async (flow, parameters) => resultOf(await host.begin(newRun(flow, queue, parameters))),
    async close() {
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
