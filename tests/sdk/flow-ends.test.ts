import { describe, expect, test } from 'vitest'
import {
  CancelledRun,
  cancelled,
  completed,
  failed,
  flow,
  referenceTasks,
  State,
  skip,
  task,
} from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()

const double = task('double', async (x: number) => x * 2)
const broken = task('broken', async (_?: unknown): Promise<number> => {
  throw new Error('it is broken')
})

describe('a flow ends', () => {
  const cancelledTask = task('end-cancelled', async () => cancelled('no more'))

  test.each<[string, () => unknown, string]>([
    ['completed with what it returns', async () => 7, 'Completed()'],
    [
      'completed although a task failed that it does not return',
      async () => void (await broken.withState()),
      'Completed()',
    ],
    [
      'in a state of its own',
      async () => failed('bad weather', { name: 'Rainy' }),
      "Rainy('bad weather', type=FAILED)",
    ],
    ['in a completed state of its own', async () => completed(1, { name: 'Fine' }), 'Fine(type=COMPLETED)'],
    [
      'completed when all futures it returns are',
      async () => [double.submit(1)],
      "Completed('All states completed.')",
    ],
    [
      'failed when one of its futures is',
      async () => [double.submit(1), broken.submit()],
      "Failed('1/2 states failed.')",
    ],
    [
      'failed when one of its states is',
      async () => [await broken.withState(), double.submit(1), 3],
      "Failed('1/2 states failed.')",
    ],
    [
      'cancelled when one of its futures is',
      async () => [broken.submit(), cancelledTask.submit()],
      "Cancelled('1/2 states cancelled.')",
    ],
    ['as the one future that it returns', () => double.submit(1), "Completed('All states completed.')"],
    ['skipped', async () => skip('nothing to do'), "Skipped('nothing to do', type=COMPLETED)"],
    [
      'as the tasks that it refers to',
      async () => {
        referenceTasks(broken.submit())
        return 'cleaned up'
      },
      "Failed('1/1 states failed.')",
    ],
    [
      'completed with its value when those it refers to are',
      async () => {
        referenceTasks([double.submit(1)])
        await broken.withState()
        return 'x'
      },
      "Completed('All reference states completed.')",
    ],
  ])('%s', async (what, code, expected) => {
    const { state } = await stage.play(flow(`end ${what}`, code))
    expect(String(state)).toBe(expected)
  })

  test('cancelled, and reading its result throws CancelledRun', async () => {
    const { state } = await stage.play(flow('end-reading', async () => cancelled()))
    expect(() => state.result()).toThrow(CancelledRun)
    expect(() => state.result()).toThrow('Run cancelled.')
  })

  test('not while what it returns is paused: it is suspended, and runs again when it is resumed', async () => {
    const answers = ['PAUSED', 'PAUSED', 'COMPLETED'] as const
    let runs = 0
    const waiting = flow('end-paused', async () => {
      const type = answers[runs++] ?? 'FAILED'
      return new State({ type, timestamp: new Date(0), message: `answer ${runs}` })
    })
    const run = await stage.harness.run(() => waiting.start())
    for (const count of [1, 2]) {
      await stage.harness.advance('1m')
      expect([runs, String(await stage.harness.until(run.state()))]).toEqual([
        count,
        `Suspended('answer ${count}', type=PAUSED)`,
      ])
      await stage.harness.until(run.resume())
    }
    expect((await stage.harness.until(run.wait())).message).toBe('answer 3')
  })
})
