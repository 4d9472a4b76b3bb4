/**
 * The flows that the simulation runs: small, and between them they use everything a run can do. Each says what a
 * right end is; how it got there is the observer's to judge.
 */

import type { BodyContext, FlowPolicy, InlineFlow, RunSession, RunState } from '../../actors/index.ts'
import { type Deps, decodeJson, seededRandom, sleep } from '../../core/index.ts'
import type { Ledger } from './ledger.ts'

/** The machine that the code runs on. */
export interface Stage {
  readonly machine: string
  readonly deps: Deps
  readonly ledger: Ledger
}

/** A signal that the outside sends, and goes on sending until it has an answer. */
export interface Cue {
  readonly name: string
  readonly payload?: unknown
  /** It may be refused: the run was faster. */
  readonly optional?: boolean
}

export interface SimProgram {
  readonly policy?: Partial<FlowPolicy>
  readonly cues?: readonly Cue[]
  readonly flow: (stage: Stage) => InlineFlow
  /** What is wrong with this end; undefined when it is right. */
  readonly wrong: (state: RunState) => string | undefined
}

/** Runs a body that takes a while and that the ledger hears of. */
function body<T>(stage: Stage, run: RunSession, name: string, result: (context: BodyContext) => T) {
  return async (context: BodyContext): Promise<T> => {
    const { deps, ledger, machine } = stage
    ledger.begin({ run: run.start.run, body: name, machine, epoch: run.start.epoch })
    await sleep(deps.clock, Math.floor(deps.random.next() * 40))
    return result(context)
  }
}

/** The value of the run: what its flow returned. */
function resultOf(state: RunState): unknown {
  return state.result !== undefined && 'v' in state.result ? decodeJson(state.result.v) : undefined
}

function completedWith(expected: unknown) {
  return (state: RunState): string | undefined => {
    if (state.state.tag !== 'COMPLETED.Completed')
      return `it ended ${state.state.tag}: ${state.state.message ?? ''}`
    const result = JSON.stringify(resultOf(state))
    return result === JSON.stringify(expected)
      ? undefined
      : `its result is ${result}, not ${JSON.stringify(expected)}`
  }
}

const CHAIN = 4
const FAN = 8
const LIMITED = 4
/** A limit of two slots that the world defines. */
export const SIM_LIMIT = 'sim-two'
export const SIM_SLOTS = 2

const PROGRAMS = {
  chain: {
    flow: (stage) => ({
      async program(run) {
        let sum = 0
        for (let i = 0; i < CHAIN; i++)
          sum = Number(
            await run.task(
              { task: 'add' },
              body(stage, run, `add-${i}`, () => sum + i + 1),
            ),
          )
        return sum
      },
    }),
    wrong: completedWith(10),
  },

  fan: {
    flow: (stage) => ({
      async program(run) {
        const squares = await Promise.all(
          Array.from({ length: FAN }, (_, i) =>
            run.task(
              { task: 'square' },
              body(stage, run, `square-${i}`, () => i * i),
            ),
          ),
        )
        return squares.reduce<number>((sum, square) => sum + Number(square), 0)
      },
    }),
    wrong: completedWith(140),
  },

  flaky: {
    flow: (stage) => ({
      async program(run) {
        const retry = { retries: 3, delayMs: [0, 300, 1_500] }
        return run.task(
          { task: 'flaky', retry },
          body(stage, run, 'flaky-0', ({ attempt }) => {
            if (attempt < 3) throw new Error(`attempt ${attempt} fails`)
            return 'at last'
          }),
        )
      },
    }),
    wrong: completedWith('at last'),
  },

  flowRetry: {
    policy: { retries: 2 },
    flow: (stage) => ({
      retry: { delayMs: 400 },
      async program(run) {
        const once = await run.task(
          { task: 'once' },
          body(stage, run, 'once-0', () => 'kept'),
        )
        if (run.start.runCount < 3) throw new Error(`run ${run.start.runCount} fails`)
        return once
      },
    }),
    wrong: completedWith('kept'),
  },

  approval: {
    cues: [{ name: 'resume', payload: { approved: true } }],
    flow: (stage) => ({
      async program(run) {
        await run.task(
          { task: 'before' },
          body(stage, run, 'before-0', () => 1),
        )
        const input = await run.pause({ timeoutMs: null })
        await run.task(
          { task: 'after' },
          body(stage, run, 'after-0', () => 2),
        )
        return input
      },
    }),
    wrong: completedWith({ approved: true }),
  },

  suspension: {
    cues: [{ name: 'resume', payload: 'go on' }],
    flow: (stage) => ({
      async program(run) {
        await run.task(
          { task: 'before' },
          body(stage, run, 'before-0', () => 1),
        )
        const input = await run.suspend({ timeoutMs: null })
        await run.task(
          { task: 'after' },
          body(stage, run, 'after-0', () => 2),
        )
        return input
      },
    }),
    wrong: completedWith('go on'),
  },

  /** Nobody resumes it in time. */
  forgotten: {
    flow: (stage) => ({
      async program(run) {
        await run.task(
          { task: 'before' },
          body(stage, run, 'before-0', () => 1),
        )
        await run.pause({ timeoutMs: 3_000 })
        return 'never'
      },
    }),
    wrong: (state) =>
      state.state.tag === 'FAILED.Failed' && state.state.message === 'The flow was paused and never resumed.'
        ? undefined
        : `it ended ${state.state.tag}: ${state.state.message ?? ''}`,
  },

  sleeper: {
    flow: (stage) => ({
      async program(run) {
        await run.sleep(200)
        await run.sleep(20_000)
        return run.task(
          { task: 'after' },
          body(stage, run, 'after-0', () => 'awake'),
        )
      },
    }),
    wrong: completedWith('awake'),
  },

  waiter: {
    cues: [{ name: 'go', payload: 42 }],
    flow: (stage) => ({
      async program(run) {
        await run.task(
          { task: 'before' },
          body(stage, run, 'before-0', () => 1),
        )
        const outcome = await run.waitForSignal('go')
        return outcome.is === 'received' ? outcome.payload : 'expired'
      },
    }),
    wrong: completedWith(42),
  },

  family: {
    flow: (stage) => ({
      async program(run): Promise<number> {
        const child = (n: number): Promise<unknown> =>
          run.child({ flow: 'chain', parameters: n, policy: simPolicy('chain') })
        const [first, second] = await Promise.all([child(1), child(2)])
        await run.task(
          { task: 'after' },
          body(stage, run, 'after-0', () => 1),
        )
        return Number(first) + Number(second)
      },
    }),
    wrong: completedWith(20),
  },

  /** Told to cancel at some time; whoever is first wins. */
  cancelled: {
    policy: { graceMs: 2_000 },
    cues: [{ name: 'cancel', optional: true }],
    flow: (stage) => ({
      async program(run) {
        for (let i = 0; i < 2 * CHAIN; i++) {
          await run.task(
            { task: 'step' },
            body(stage, run, `step-${i}`, () => i),
          )
          await run.sleep(300)
        }
        return 'done'
      },
    }),
    wrong: (state) =>
      ['CANCELLED.Cancelled', 'COMPLETED.Completed'].includes(state.state.tag)
        ? undefined
        : `it ended ${state.state.tag}: ${state.state.message ?? ''}`,
  },

  /** Held from outside for a while, then let go. */
  held: {
    cues: [
      { name: 'pause', optional: true },
      { name: 'resume', optional: true },
    ],
    flow: (stage) => ({
      async program(run) {
        for (let i = 0; i < CHAIN; i++)
          await run.task(
            { task: 'step' },
            body(stage, run, `step-${i}`, () => i),
          )
        return 'done'
      },
    }),
    wrong: completedWith('done'),
  },

  limited: {
    flow: (stage) => ({
      async program(run) {
        await Promise.all(
          Array.from({ length: LIMITED }, (_, i) =>
            run.task({ task: 'limited', limits: [SIM_LIMIT] }, async (context) => {
              const { ledger, machine } = stage
              ledger.enter(SIM_LIMIT, machine)
              try {
                return await body(stage, run, `limited-${i}`, () => i)(context)
              } finally {
                ledger.leave(SIM_LIMIT, machine)
              }
            }),
          ),
        )
        return 'all'
      },
    }),
    wrong: completedWith('all'),
  },

  slow: {
    flow: (stage) => ({
      async program(run) {
        // More than one: a machine that is frozen makes a later try too slow as well.
        const settled = await run.taskState(
          { task: 'slow', timeoutMs: 100, retry: { retries: 5, delayMs: 50 } },
          async (context) => {
            await body(stage, run, 'slow-0', () => 0)(context)
            if (context.attempt === 1) await sleep(stage.deps.clock, 10_000)
            return 'in time'
          },
        )
        return settled.value
      },
    }),
    wrong: completedWith('in time'),
  },

  recorded: {
    flow: (stage) => ({
      async program(run) {
        const drawn = await run.value('drawn', () => seededRandom(stage.deps.clock.now()).next())
        await run.task(
          { task: 'before' },
          body(stage, run, 'before-0', () => 1),
        )
        const again = await run.task(
          { task: 'again' },
          body(stage, run, 'again-0', () => drawn),
        )
        return drawn === again
      },
    }),
    wrong: completedWith(true),
  },
} as const satisfies Record<string, SimProgram>

export type ProgramName = keyof typeof PROGRAMS

export const PROGRAM_NAMES = Object.keys(PROGRAMS) as readonly ProgramName[]

export function simProgram(name: ProgramName): SimProgram {
  return PROGRAMS[name]
}

const POLICY: FlowPolicy = {
  retries: 0,
  // Faults are many here and the runs short: what is being asked is whether they come through.
  maxRecoveries: 1_000,
  onCrash: 'recover',
  graceMs: 5_000,
  timeoutMs: null,
  lateAfterMs: 15_000,
  target: { queue: 'sim', priority: 1 },
  limits: [],
}

export function simPolicy(name: ProgramName): FlowPolicy {
  return { ...POLICY, ...simProgram(name).policy }
}
