import { describe, expect, test } from 'vitest'
import {
  createArtifact,
  flow,
  getRunLogger,
  now,
  progress,
  random,
  sleep,
  task,
  uuid,
} from '../../src/sdk/public.ts'
import { testHarness } from '../../src/testing/index.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()

describe('a run whose process dies', () => {
  test.each([
    ['before', 1],
    ['after', 1],
    ['before', 2],
    ['after', 2],
    ['before', 3],
    ['after', 3],
    ['before', 4],
    ['after', 5],
    ['after', 6],
  ] as const)('%s its append %i arrived comes to the same end', async (when, nth) => {
    await using harness = await testHarness({ crashAtAppend: { nth, when } })
    const calls = new Map<number, number>()
    const step = task('crash-step', async (n: number) => {
      calls.set(n, (calls.get(n) ?? 0) + 1)
      return n * 10
    })
    const steps = flow('crash-flow', async () => {
      const first = await step(1)
      const rest = await step.map([2, 3, 4])
      await sleep('2m')
      return [first, ...rest, await step(5)]
    })
    const run = await harness.run(() => steps.start())
    expect(await harness.until(run.result())).toEqual([10, 20, 30, 40, 50])
    for (const count of calls.values()) expect(count).toBeLessThanOrEqual(2)
  })

  test('at any moment finds the results that were in the log', async () => {
    const calls: string[] = []
    const step = task('crash-at', async (name: string) => {
      calls.push(name)
      await sleep(10)
      return name
    })
    const steps = flow('crash-flow-2', async () => [await step('a'), await step('b'), await step('c')])
    const run = await stage.harness.run(() => steps.start())
    await stage.harness.advance(15)
    await stage.harness.crash()
    expect(await stage.harness.until(run.result())).toEqual(['a', 'b', 'c'])
    expect(calls).toEqual(['a', 'b', 'b', 'c'])
    expect(stage.harness.machines).toBe(2)
  })

  test('goes on with its child flows', async () => {
    const child = flow('crash-child', async (n: number) => {
      await sleep(20)
      return n
    })
    const parent = flow('crash-parent', async () => Promise.all([child(1), child(2)]))
    const run = await stage.harness.run(() => parent.start())
    await stage.harness.advance(5)
    await stage.harness.crash()
    expect(await stage.harness.until(run.result())).toEqual([1, 2])
  })
})

describe('recorded values', () => {
  test('are the same when the code comes there again', async () => {
    const seen: unknown[] = []
    const recorded = flow('recorded', async () => {
      const values = [await now(), await random(), await uuid()]
      seen.push(values)
      await sleep('1h')
      return values
    })
    const { state } = await stage.play(recorded)
    expect(seen).toHaveLength(2)
    expect(seen[0]).toEqual(seen[1])
    expect(state.data).toEqual(seen[0])
    expect(state.data?.[2]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })
})

describe('a replay that does not fit', () => {
  const step = task('mismatch-step', async (x: unknown) => x)
  const other = task('mismatch-other', async (x: unknown) => x)

  test('because of other inputs fails the run with both named', async () => {
    let runs = 0
    const changing = flow('mismatch-1', async () => {
      await step(++runs)
      await sleep('1h')
    })
    const { state } = await stage.play(changing)
    expect(state.message).toContain('mismatch-step-0')
    expect(state.message).toContain('other inputs')
  })

  test('because of inputs that differ in one place of many fails the run as well', async () => {
    let runs = 0
    const changing = flow('mismatch-4', async () => {
      const list = Array.from({ length: 2_000 }, () => 'x')
      list[1_000] = `${++runs}`
      await step(list)
      await sleep('1h')
    })
    expect((await stage.play(changing)).state.message).toContain('other inputs')
  })

  test('is told by what every version writes down for the same inputs: later ones replay it', async () => {
    const called = flow('mismatch-5', async () => {
      await step([1, 2])
      await step('é🎭')
      await Reflect.apply(step, undefined, [])
    })
    const { id } = await stage.play(called)
    const written: unknown[] = []
    await stage.harness.run(async () => {
      for await (const records of stage.harness.client.records(id))
        for (const record of records) if (record.k === 'task+') written.push(record.inputs)
    })
    expect(written).toEqual(['EoSaNl7wGBHC', 'w66A1C0Fz4JG', undefined])
  })

  test('is no matter of order when other tasks are called: they have identities of their own', async () => {
    let runs = 0
    const changing = flow('mismatch-2', async () => {
      const value = ++runs === 1 ? await step('a') : await other('b')
      await sleep('1h')
      return value
    })
    expect((await stage.play(changing)).state.data).toBe('b')
  })

  test('runs the task anew when it says so', async () => {
    let runs = 0
    const rerun = task({ name: 'mismatch-rerun', onReplayMismatch: 'rerun' }, async (x: number) => x)
    const changing = flow('mismatch-3', async () => {
      const value = await rerun(++runs)
      await sleep('1h')
      return value
    })
    expect((await stage.play(changing)).state.data).toBe(2)
  })
})

describe('what a run says', () => {
  test('is in its log: lines, progress, artifacts', async () => {
    const inner = task('said-task', async () => getRunLogger().warn('from the task'))
    const saying = flow('said', async () => {
      getRunLogger().info('token Bearer abcdef123456')
      await inner()
      await progress(1, 2, 'half')
      await createArtifact({ kind: 'markdown', key: 'report', markdown: '# Done' })
    })
    const { id } = await stage.play(saying)
    const lines: unknown[] = []
    await stage.harness.run(async () => {
      for await (const { level, message, task } of stage.harness.client.logs(id))
        lines.push([level, message, task])
    })
    expect(lines).toEqual([
      ['info', 'token Bearer ***', undefined],
      ['warn', 'from the task', 'said-task-0'],
      ['info', 'Finished in state Completed()', undefined],
    ])
    const notes: unknown[] = []
    await stage.harness.run(async () => {
      for await (const records of stage.harness.client.records(id))
        for (const record of records)
          if (record.k === 'note' && record.kind !== 'log') notes.push([record.kind, record.data])
    })
    expect(notes).toEqual([
      ['progress', { done: 1, total: 2, note: 'half' }],
      ['artifact', { kind: 'markdown', key: 'report', markdown: '# Done' }],
    ])
  })
})
