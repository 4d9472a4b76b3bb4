import { describe, expect, test } from 'vitest'
import { flow, inputs, sleep, task } from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()

class Thing {
  act = () => 'acted'
}

const MISSING = { code: 'CB_E_RESULT_MISSING' }

describe('a flow whose result is not stored', () => {
  test('gives it to whoever calls it here; to others it is missing, and says so', async () => {
    const heard: unknown[] = []
    const unstored = flow(
      {
        name: 'unstored-1',
        persistResult: false,
        onCompletion: (_, _run, state) => void heard.push(state.data),
      },
      async () => new Thing(),
    )
    const thing = await stage.harness.run(() => unstored())
    expect(thing).toBeInstanceOf(Thing)
    expect(heard).toEqual([thing])
    const { state } = await stage.play(unstored)
    expect(String(state)).toBe('Completed()')
    expect(state.error).toMatchObject(MISSING)
    expect(() => state.result()).toThrow('The result of flow run')
  })

  test('gives it to a flow that calls it, until that is replayed', async () => {
    const unstored = flow({ name: 'unstored-2', persistResult: false }, async () => new Thing())
    const caller = flow('unstored-3', async () => (await unstored()).act())
    expect((await stage.play(caller)).state.data).toBe('acted')
    const parked = flow('unstored-4', async () => {
      const thing = await unstored()
      await sleep('1h')
      return thing.act()
    })
    expect((await stage.play(parked)).state.error).toMatchObject(MISSING)
  })

  test('loses no failure, and no result that is nothing', async () => {
    const nothing = flow({ name: 'unstored-5', persistResult: false }, async () => {})
    expect((await stage.play(nothing)).state.error).toBeUndefined()
    const broken = flow({ name: 'unstored-6', persistResult: false }, async () => {
      throw new Error('it is broken')
    })
    await expect(stage.harness.run(() => broken())).rejects.toThrow('it is broken')
  })
})

describe('what a flow says of results', () => {
  const silent = task('results-silent', async () => 1)
  const own = task({ name: 'results-own', persistResult: true }, async () => 2)
  const cached = task({ name: 'results-cached', cachePolicy: inputs }, async (_: string) => 3)

  test('holds for its tasks that say nothing themselves', async () => {
    const forgetful = flow({ name: 'results-1', persistResult: false }, async () => {
      await own()
      await cached('a')
      await silent()
      await sleep('1h')
    })
    const { id } = await stage.play(forgetful)
    const { tasks } = await stage.harness.until(stage.harness.client.inspect(id))
    expect(tasks.get('results-own-0')?.result).toEqual({ v: 2 })
    expect(tasks.get('results-cached-0')?.result).toEqual({ v: 3 })
    expect(tasks.get('results-silent-0')?.result).toEqual({ v: { 'callboard:result': 'not-kept' } })
  })

  test('may be that tasks fail whose results cannot be stored', async () => {
    const unstorable = task('results-unstorable', async () => new Thing())
    const strict = flow({ name: 'results-2', persistResult: true }, async () => void (await unstorable()))
    expect((await stage.play(strict)).state.error).toMatchObject({ code: 'CB_E_VALUE_UNSERIALISABLE' })
  })
})
