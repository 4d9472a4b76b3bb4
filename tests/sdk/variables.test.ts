import { inspect } from 'node:util'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { Block, flow, getRunLogger, Secret, sleep, task, Variable } from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()
const play = <T>(code: () => Promise<T>) => stage.harness.run(code)

describe('a variable', () => {
  test('is set, got and unset, with its JSON as it was', async () => {
    const value = { lat: 38.9, places: ['a', null, true] }
    expect(await play(() => Variable.get('place'))).toBe(undefined)
    await play(() => Variable.set('place', value, { tags: ['weather'] }))
    expect(await play(() => Variable.get('place'))).toEqual(value)
    expect(await play(() => Variable.unset('place'))).toBe(true)
    expect(await play(() => Variable.unset('place'))).toBe(false)
    expect(await play(() => Variable.get('place', { lat: 0 }))).toEqual({ lat: 0 })
  })

  test('is not overwritten unless that is asked for', async () => {
    await play(() => Variable.set('answer', 42))
    await expect(play(() => Variable.set('answer', 43))).rejects.toMatchObject({
      code: 'CB_E_CATALOG_EXISTS',
    })
    expect(await play(() => Variable.get('answer', 0))).toBe(42)
    await play(() => Variable.set('answer', 43, { overwrite: true }))
    expect(await play(() => Variable.get('answer', 0))).toBe(43)
  })

  test('that is not plain JSON is refused', async () => {
    for (const value of [new Date(0), undefined, { at: undefined }, Number.NaN, () => 1])
      await expect(play(() => Variable.set('x', value as never))).rejects.toMatchObject({
        code: 'CB_E_VALUE_UNSERIALISABLE',
      })
  })

  test('with a name that cannot be one is refused', async () => {
    await expect(play(() => Variable.set('no spaces', 1))).rejects.toMatchObject({
      code: 'CB_E_CATALOG_INVALID',
    })
  })

  test('is the same for a flow that is replayed, and the newest for a task', async () => {
    await play(() => Variable.set('mode', 'first'))
    const read = task('variables-read', () => Variable.get('mode'))
    const { state } = await stage.play(
      flow('variables-1', async () => {
        const before = await Variable.get('mode')
        await Variable.set('mode', 'second', { overwrite: true })
        await sleep('1h')
        return [before, await read()]
      }),
    )
    expect(state.data).toEqual(['first', 'second'])
  })

  test('is typed by its fallback', () => {
    expectTypeOf(Variable.get('answer', 0)).resolves.toEqualTypeOf<number>()
    expectTypeOf(Variable.get<string[]>('names')).resolves.toEqualTypeOf<string[] | undefined>()
  })
})

const Credentials = Block.define({
  type: 'test-credentials',
  schema: z.object({ user: z.string(), password: z.string() }),
  secrets: ['password'],
})
const Bucket = Block.define({
  type: 'test-bucket',
  schema: z.object({ name: z.string(), retries: z.number().default(3), credentials: z.string() }),
  parts: { credentials: Credentials },
})

describe('a block', () => {
  test('is saved and loaded by its name, with defaults filled in and its parts loaded', async () => {
    await play(() => Credentials.save('prod', { user: 'ann', password: 'hunter2' }))
    await play(() => Bucket.save('reports', { name: 'r', credentials: 'prod' }))
    const bucket = await play(() => Bucket.load('reports'))
    expectTypeOf(bucket.retries).toEqualTypeOf<number>()
    expectTypeOf(bucket.credentials.password).toEqualTypeOf<Secret>()
    expect([bucket.name, bucket.retries, bucket.credentials.user]).toEqual(['r', 3, 'ann'])
    expect(bucket.credentials.password.reveal()).toBe('hunter2')
  })

  test('never shows its secrets: printed, logged, in a result, in a message', async () => {
    await play(() => Credentials.save('prod', { user: 'ann', password: 'hunter2' }))
    const shown: string[] = []
    const use = task('blocks-use', async () => {
      const credentials = await Credentials.load('prod')
      getRunLogger().info(`as ${credentials.password}`, credentials)
      shown.push(inspect(credentials), JSON.stringify(credentials), String(credentials.password))
      return credentials
    })
    const { id, state } = await stage.play(flow('blocks-1', () => use()))
    expect(state.data).toEqual({ user: 'ann', password: '***' })
    expect(shown.join()).not.toContain('hunter2')
    const records: unknown[] = []
    await stage.harness.until(
      (async () => {
        for await (const some of stage.harness.client.records(id)) records.push(...some)
      })(),
    )
    expect(JSON.stringify(records)).toContain('as ***')
    expect(JSON.stringify(records)).not.toContain('hunter2')
  })

  test('that does not fit its schema is not saved, and every field that is wrong is named', async () => {
    await expect(play(() => Bucket.save('bad', { name: 1, retries: 'x' } as never))).rejects.toThrow(
      /test-bucket\/bad.*\n {2}name: .*\n {2}retries: .*\n {2}credentials: /,
    )
    await expect(play(() => Bucket.load('bad'))).rejects.toMatchObject({ code: 'CB_E_CATALOG_MISSING' })
  })

  test('is not overwritten unless that is asked for, and is gone when it is deleted', async () => {
    await play(() => Credentials.save('prod', { user: 'ann', password: 'a' }))
    await expect(play(() => Credentials.save('prod', { user: 'bob', password: 'b' }))).rejects.toMatchObject({
      code: 'CB_E_CATALOG_EXISTS',
    })
    await play(() => Credentials.save('prod', { user: 'bob', password: 'b' }, { overwrite: true }))
    expect((await play(() => Credentials.load('prod'))).user).toBe('bob')
    expect(await play(() => Credentials.delete('prod'))).toBe(true)
    expect(await play(() => Credentials.delete('prod'))).toBe(false)
  })

  test('keeps only texts secret', async () => {
    const Odd = Block.define({
      type: 'test-odd',
      schema: z.object({ keys: z.array(z.string()) }),
      secrets: ['keys'],
    })
    await expect(play(() => Odd.save('x', { keys: ['a'] }))).rejects.toMatchObject({
      code: 'CB_E_CATALOG_INVALID',
    })
  })
})

test('a secret shows nothing wherever it is put', () => {
  const secret = new Secret('hunter2')
  expect(`${secret} ${JSON.stringify({ secret })} ${inspect([secret])}`).toBe('*** {"secret":"***"} [ *** ]')
})
