import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import {
  type CachePolicy,
  combine,
  completed,
  compressed,
  configure,
  type Flow,
  flow,
  flowParameters,
  inputs,
  localPath,
  memoryCache,
  memoryLocks,
  noCache,
  runId,
  sleep,
  type TaskOptions,
  task,
  taskSource,
  without,
} from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()

/** A task that counts its bodies. */
function counting(name: string, options: Omit<TaskOptions, 'name'>) {
  const calls: unknown[][] = []
  const counted = task({ name, ...options }, async (first?: unknown, second?: unknown) => {
    calls.push([first, second])
    return `result ${calls.length}`
  })
  return { calls, counted }
}

async function resultOf<A extends readonly unknown[], R>(of: Flow<A, R>, parameters?: A[0]): Promise<R> {
  return (await stage.play(of, parameters)).state.result()
}

describe('a cached task', () => {
  test('[prefect 65] with the same inputs runs once; the second run is Cached and has the same result', async () => {
    const { calls, counted } = counting('cache-1', { cachePolicy: inputs })
    const twice = flow('cache-flow-1', async () => [
      await counted('Marvin'),
      await counted('Marvin'),
      await counted('Trillian'),
    ])
    const run = await stage.play(twice)
    expect(run.state.data).toEqual(['result 1', 'result 1', 'result 2'])
    expect(calls).toHaveLength(2)
    expect(await run.of('cache-1-1')).toEqual(['Pending', 'Cached'])
  })

  test('[prefect 66] with a key of its own is Cached in another flow run, with the first value', async () => {
    const { counted } = counting('cache-2', { cacheKeyFn: () => 'always' })
    const other = counting('cache-2-other', { cacheKeyFn: () => 'always' })
    const one = flow('cache-flow-2', async (x: number) => counted(x))
    expect([await resultOf(one, 1), await resultOf(one, 2)]).toEqual(['result 1', 'result 1'])
    expect(await resultOf(flow('cache-flow-2b', () => other.counted()))).toBe('result 1')
    expect(other.calls).toHaveLength(0)
  })

  test('[prefect 67] runs again once its expiration has passed, or when it is told to refresh', async () => {
    const { counted } = counting('cache-3', { cachePolicy: inputs, cacheExpiration: '1m' })
    const one = flow('cache-flow-3', async () => counted('x'))
    expect(await resultOf(one)).toBe('result 1')
    await stage.harness.advance(30)
    expect(await resultOf(one)).toBe('result 1')
    await stage.harness.advance(40)
    expect(await resultOf(one)).toBe('result 2')
    const refreshing = counted.with({ refreshCache: true })
    expect(await resultOf(flow('cache-flow-3b', async () => refreshing('x')))).toBe('result 3')
    expect(await resultOf(one)).toBe('result 3')
  })

  test('[prefect 68] with noCache in a combination is cached by the rest, alone not at all', async () => {
    const neutral = counting('cache-4', { cachePolicy: combine(inputs, noCache, undefined) })
    const never = counting('cache-5', { cachePolicy: noCache })
    await stage.play(
      flow('cache-flow-4', async () => {
        for (let i = 0; i < 2; i++) await neutral.counted(1)
        for (let i = 0; i < 2; i++) await never.counted(1)
      }),
    )
    expect([neutral.calls.length, never.calls.length]).toEqual([1, 2])
  })

  test('[prefect 68] is not told apart by an input that is left out', async () => {
    const { calls, counted } = counting('cache-6', { cachePolicy: without(inputs, 'second') })
    await stage.play(
      flow('cache-flow-6', async () => {
        await counted(1, 'a')
        await counted(1, 'b')
        await counted(2, 'b')
      }),
    )
    expect(calls).toEqual([
      [1, 'a'],
      [2, 'b'],
    ])
  })

  test('[prefect 68] cannot have policies with different storages', () => {
    const one = configure(inputs, { storage: memoryCache() })
    const other = configure(taskSource, { storage: memoryCache() })
    expect(() => combine(one, other)).toThrow('Cache policies with different storage cannot be combined')
    expect(combine(one, taskSource).storage).toBe(one.storage)
  })

  test('[prefect 69] that is SERIALIZABLE needs a lock', () => {
    expect(() => configure(inputs, { isolation: 'SERIALIZABLE' })).toThrow(
      "The isolation 'SERIALIZABLE' needs a lock",
    )
  })

  test.each<[string, CachePolicy, number]>([
    ['READ_COMMITTED', inputs, 2],
    ['SERIALIZABLE', configure(inputs, { isolation: 'SERIALIZABLE', lock: memoryLocks() }), 1],
  ])(
    '[prefect 69] that runs twice at the same time is computed as its isolation says: %s',
    async (name, cachePolicy, expected) => {
      let calls = 0
      const slow = task({ name: `cache-${name}`, cachePolicy }, async (x: number) => {
        await sleep(5)
        calls++
        return x
      })
      expect(
        await resultOf(flow(`cache-flow-${name}`, async () => [slow.submit(1), slow.submit(1)])),
      ).toEqual([1, 1])
      expect(calls).toBe(expected)
    },
  )

  test('is told apart by its flow run, or by the parameters of that', async () => {
    const byRun = counting('cache-7', { cachePolicy: combine(inputs, runId) })
    const byParameters = counting('cache-8', { cachePolicy: flowParameters })
    const one = flow('cache-flow-7', async (_: { n: number }) => {
      for (let i = 0; i < 2; i++) await byRun.counted(1)
      await byParameters.counted(1)
    })
    for (const n of [1, 1, 2]) await stage.play(one, { n })
    expect([byRun.calls.length, byParameters.calls.length]).toEqual([3, 2])
  })

  test('whose key cannot be computed runs without a cache', async () => {
    const broken = () => {
      throw new Error('no key')
    }
    const { calls, counted } = counting('cache-9', { cacheKeyFn: broken })
    await stage.play(flow('cache-flow-9', async () => [await counted(), await counted()]))
    expect(calls).toHaveLength(2)
  })

  test('that is replayed does not remember its old result anew', async () => {
    const { counted } = counting('cache-11', { cachePolicy: inputs, cacheExpiration: '1h' })
    await stage.play(
      flow('cache-flow-11', async () => {
        await counted('x')
        await sleep('50m') // leaves the process; what is above is replayed
      }),
    )
    await stage.harness.advance('20m')
    expect(await resultOf(flow('cache-flow-11b', async () => counted('x')))).toBe('result 2')
  })

  test('that failed is not remembered', async () => {
    let calls = 0
    const flaky = task({ name: 'cache-10', cachePolicy: inputs }, async () => {
      if (++calls === 1) throw new Error('no')
      return calls
    })
    expect(
      await resultOf(
        flow('cache-flow-10', async () => [await flaky.withState().then(String), await flaky()]),
      ),
    ).toEqual(["Failed('no')", 2])
  })
})

describe('a result', () => {
  class Thing {
    act = () => 'acted'
  }

  test('[prefect 70] that cannot be stored is handed over with a warning, and the run completes', async () => {
    const unstorable = task('result-1', async () => new Thing())
    const { id, state } = await stage.play(flow('result-flow-1', async () => (await unstorable()).act()))
    expect(state.data).toBe('acted')
    const lines: string[] = []
    await stage.harness.run(async () => {
      for await (const { level, message } of stage.harness.client.logs(id)) lines.push(`${level} ${message}`)
    })
    expect(lines[0]).toMatch(/^warn The result could not be stored .* result\.act is a function/)
  })

  test('that must be stored and cannot fails its run', async () => {
    const strict = task({ name: 'result-2', persistResult: true }, async () => new Thing())
    const { state } = await stage.play(flow('result-flow-2', async () => void (await strict())))
    expect(state.error).toMatchObject({ code: 'CB_E_VALUE_UNSERIALISABLE' })
  })

  test('that was not stored is missed by a replay, which says so', async () => {
    const forgetful = task({ name: 'result-3', persistResult: false }, async () => 'gone')
    const replayed = flow('result-flow-3', async () => {
      const value = await forgetful()
      await sleep('1h')
      return value
    })
    expect((await stage.play(replayed)).state.error).toMatchObject({ code: 'CB_E_RESULT_MISSING' })
  })

  test('that is large comes back whole', async () => {
    const large = task('result-4', async () => 'x'.repeat(300_000))
    const { state } = await stage.play(
      flow('result-flow-4', async () => {
        const text = await large()
        await sleep('1h')
        return text.length + (await large()).length
      }),
    )
    expect(state.data).toBe(600_000)
  })

  const folders: string[] = []
  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
  })

  test('is kept in a folder, compressed, and comes back from there', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'callboard-results-'))
    folders.push(folder)
    let calls = 0
    const kept = task(
      { name: 'result-5', resultStorage: localPath(folder), serializer: compressed() },
      async () => {
        calls++
        return { at: new Date(0), list: [1, 2] }
      },
    )
    const { state } = await stage.play(
      flow('result-flow-5', async () => {
        const value = await kept()
        await sleep('1h')
        return value
      }),
    )
    expect(state.data).toEqual({ at: new Date(0), list: [1, 2] })
    expect(calls).toBe(1)
    expect(await readdir(folder)).toHaveLength(1)
  })

  test('is the data of a state that was returned', async () => {
    const returning = task('result-6', async () => completed({ a: 1 }, { name: 'Fine' }))
    const { of, state } = await stage.play(flow('result-flow-6', async () => returning()))
    expect(state.data).toEqual({ a: 1 })
    expect((await of('result-6-0')).at(-1)).toBe('Fine')
  })
})
