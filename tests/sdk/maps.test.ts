import { describe, expect, test } from 'vitest'
import { allowFailure, flow, skip, task, unmapped } from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()

const double = task('double', async (x: number) => x * 2)
const broken = task('broken', async (_?: unknown): Promise<number> => {
  throw new Error('it is broken')
})

describe('map', () => {
  const add = task('map-add', async (a: number, b: number) => a + b)

  test('[prefect 76] runs a task for each element, the rest the same for all', async () => {
    const mapped = flow('map-1', async () => add.map([1, 2, 3], unmapped(10)))
    const { id, state } = await stage.play(mapped)
    expect(state.data).toEqual([11, 12, 13])
    expect(await stage.harness.states(id, 'map-add-2')).toEqual(['Pending', 'Running', 'Completed'])
  })

  test('[prefect 76] over lists of unequal lengths is refused with both lengths', async () => {
    const unequal = flow('map-2', async () => add.map([1, 2, 3], [1, 2]))
    const { state } = await stage.play(unequal)
    expect(state.error).toMatchObject({ code: 'CB_E_MAP_LENGTHS' })
    expect(state.message).toContain('argument 1 has 3, argument 2 has 2')
  })

  test('[prefect 76] over nothing is refused', async () => {
    const { state } = await stage.play(flow('map-3', async () => add.map(unmapped(1), unmapped(2))))
    expect(state.error).toMatchObject({ code: 'CB_E_MAP_NOTHING' })
  })

  test('[prefect 76] over a mapped result depends element by element', async () => {
    const chained = flow('map-4', async () => {
      const first = add.map([1, 2], unmapped(1))
      return add.map(first, [10, 20])
    })
    const { id, state } = await stage.play(chained)
    expect(state.data).toEqual([12, 23])
    expect((await upstreamOf(id)).get('map-add-3')).toEqual(['map-add-1'])
  })

  test('waits for a future of a list, and lets each element fail alone', async () => {
    const list = task('map-list', async () => [1, 2, 3])
    const picky = task('map-picky', async (x: number) => {
      if (x === 2) throw new Error('not two')
      return x
    })
    const alone = flow('map-5', async () => {
      const states = await picky.map(list.submit()).wait()
      return states.map(String)
    })
    expect(await stage.resultOf(alone)).toEqual(['Completed()', "Failed('not two')", 'Completed()'])
  })
})

describe('a task whose upstream did not complete', () => {
  test('[prefect 75] is NotReady and never runs', async () => {
    let ran = false
    const after = task('up-after', async (_: number) => {
      ran = true
    })
    const { id, state } = await stage.play(
      flow('up-1', async () => String(await after.submit(broken.submit()).wait())),
    )
    expect(ran).toBe(false)
    expect(state.data).toBe(
      "NotReady('Upstream task run 'broken-0' did not reach a 'COMPLETED' state.', type=PENDING)",
    )
    expect(await stage.harness.states(id, 'up-after-0')).toEqual(['Pending', 'NotReady'])
  })

  test('[prefect 75] gets the error when failure is allowed, also in a list', async () => {
    const look = task('up-look', async (given: unknown) =>
      [given].flat().map((part) => (part instanceof Error ? part.message : part)),
    )
    const allowed = flow('up-2', async () => [
      await look(allowFailure(broken.submit())),
      await look(allowFailure([double.submit(1), broken.submit()])),
    ])
    expect(await stage.resultOf(allowed)).toEqual([['it is broken'], [2, 'it is broken']])
  })

  test.each([
    ['allFinished', 'Completed'],
    ['always', 'Completed'],
    ['anySuccessful', 'Completed'],
    ['anyFailed', 'Completed'],
    ['allFailed', 'TriggerFailed'],
    ['allSuccessful', 'NotReady'],
  ] as const)('runs by its trigger %s with one success and one failure: %s', async (trigger, name) => {
    const triggered = task({ name: `trigger-${trigger}`, trigger }, async (..._: readonly unknown[]) => 1)
    const tried = flow(
      `trigger-flow-${trigger}`,
      async () => (await triggered.waitFor(double.submit(1), broken.submit()).withState()).name,
    )
    expect(await stage.resultOf(tried)).toBe(name)
  })

  test('is skipped with it, unless it says otherwise', async () => {
    const skipping = task('skip-1', async () => skip('not today', 'given'))
    const follows = task('skip-2', async (_: unknown) => 'ran')
    const independent = task(
      { name: 'skip-3', skipOnUpstreamSkip: false },
      async (x: unknown) => `ran with ${x}`,
    )
    const skipped1 = flow('skip-flow', async () => {
      const first = skipping.submit()
      return [
        String(await first.wait()),
        String(await follows.submit(first).wait()),
        await independent.submit(first),
      ]
    })
    expect(await stage.resultOf(skipped1)).toEqual([
      "Skipped('not today', type=COMPLETED)",
      "Skipped('Upstream task run 'skip-1-0' was skipped.', type=COMPLETED)",
      'ran with given',
    ])
  })
})

/** Which task runs each task run depends on. */
async function upstreamOf(run: string): Promise<Map<string, readonly string[]>> {
  const upstream = new Map<string, readonly string[]>()
  const state = await stage.harness.until(stage.harness.client.inspect(run))
  for (const [id, { upstream: from }] of state.tasks) upstream.set(id, from)
  return upstream
}
