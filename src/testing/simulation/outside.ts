/** The outside of the cluster: whoever starts runs and signals them, and does not give up before there is an answer. */

import {
  createRun,
  isTerminalTag,
  type RunState,
  type Sender,
  type Signal,
  sendSignal,
} from '../../actors/index.ts'
import type { Broker } from '../../broker/index.ts'
import { type Deps, encodeToJson, isRetryable, mintId, sleep } from '../../core/index.ts'
import { type Cue, simPolicy, simProgram } from './programs.ts'
import type { PlannedRun } from './scenario.ts'

const BY: Sender = { channel: 'simulation' }
const AGAIN_MS = 250

/** Starts the planned run, sends its cues one after the other; resolves with its id when it has ended. */
export async function playRun(
  broker: Broker,
  deps: Deps,
  planned: PlannedRun,
  look: (run: string) => RunState | undefined,
): Promise<string> {
  const { clock } = deps
  await sleep(clock, planned.atMs)
  const { run } = await createRun(broker, deps, {
    flow: planned.program,
    name: planned.program,
    parameters: { v: null },
    policy: simPolicy(planned.program),
    by: BY,
    idempotencyKey: mintId(deps),
  })
  const hasEnded = () => {
    const state = look(run)
    return state !== undefined && isTerminalTag(state.state.tag)
  }
  const cues = simProgram(planned.program).cues ?? []
  for (const [i, cue] of cues.entries()) {
    await sleep(clock, Math.max(0, (planned.cuesAtMs[i] ?? 0) - planned.atMs))
    const signal = signalOf(deps, cue)
    while (!hasEnded() && !(await isTaken(broker, deps, run, signal))) await sleep(clock, AGAIN_MS)
  }
  while (!hasEnded()) await sleep(clock, AGAIN_MS)
  return run
}

function signalOf(deps: Deps, { name, payload }: Cue): Signal {
  const signal = { name, key: mintId(deps), by: BY }
  return payload === undefined ? signal : { ...signal, payload: { v: encodeToJson(payload) } }
}

async function isTaken(broker: Broker, deps: Deps, run: string, signal: Signal): Promise<boolean> {
  try {
    const { outcome } = await sendSignal(broker, deps, run, signal)
    return outcome === 'applied' || outcome === 'accepted'
  } catch (error) {
    if (isRetryable(error)) return false
    throw error
  }
}
