/** A harness for each test, and short ways to what tests ask of one. */

import { afterEach, beforeEach } from 'vitest'
import { LIMITS_BUCKET, type Limit, limitKey } from '../../../src/scheduler/index.ts'
import { currentEngine } from '../../../src/sdk/current-engine.ts'
import type { Flow, State } from '../../../src/sdk/index.ts'
import { type TestHarness, type TestHarnessOptions, testHarness } from '../../../src/testing/index.ts'

export interface Stage {
  readonly harness: TestHarness
  /** Runs a flow to its end. */
  play<A extends readonly unknown[], R>(flow: Flow<A, R>, parameters?: A[0]): Promise<Played<R>>
  /** What a flow gives, or throws. */
  resultOf<R>(flow: Flow<[], R>): Promise<R>
  /** What a run said. */
  linesOf(run: string): Promise<string[]>
  /** Defines a concurrency limit; resolves when it is in force. */
  limit(name: string, slots: number, terms?: Partial<Limit>): Promise<void>
}

export interface Played<R> {
  readonly id: string
  readonly state: State<R>
  /** The names of the states that the flow run was in. */
  readonly states: string[]
  /** Those of one of its task runs. */
  of(task: string): Promise<string[]>
}

/** One new harness per test. */
export function useStage(options: TestHarnessOptions = {}): Stage {
  let harness: TestHarness | undefined
  beforeEach(async () => {
    harness = await testHarness(options)
  })
  afterEach(async () => {
    await harness?.stop()
    harness = undefined
  })
  const present = () => {
    if (harness === undefined) throw new Error('There is no harness outside of a test.')
    return harness
  }
  return {
    get harness() {
      return present()
    },
    async play<A extends readonly unknown[], R>(flow: Flow<A, R>, parameters?: A[0]) {
      const stage = present()
      const start: (...args: never) => ReturnType<typeof flow.start> = flow.start
      const run = await stage.run(
        () => Reflect.apply(start, undefined, [parameters]) as ReturnType<typeof flow.start>,
      )
      const state = await stage.until(run.wait())
      const states = await stage.states(run.id)
      return { id: run.id, state, states, of: (task: string) => stage.states(run.id, task) }
    },
    async resultOf(flow) {
      return (await this.play(flow)).state.result()
    },
    linesOf(run) {
      const stage = present()
      const read = async () => {
        const lines: string[] = []
        for await (const { message } of stage.client.logs(run)) lines.push(message)
        return lines
      }
      return stage.until(read())
    },
    async limit(name, slots, terms = {}) {
      await present().advance('40s') // a keeper that has just taken over holds rates for full until a lease has passed
      const { broker } = (await currentEngine()).env
      const bucket = await present().until(broker.kv.bucket(LIMITS_BUCKET))
      await present().until(bucket.put(limitKey(name), { name, slots, strategy: 'enqueue', ...terms }))
      await present().advance('1s') // the keeper watches the bucket
    },
  }
}
