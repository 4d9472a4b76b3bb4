import { describe, expect, test } from 'vitest'
import { type Change, Collection, type WorkPool } from '../../src/catalog/index.ts'
import { type Logger, silentLogger, systemDeps } from '../../src/core/index.ts'
import { catalogStage, deployment } from './stage.ts'

const pool = (name: string) => ({ name, paused: false })

describe('a kind of definition', () => {
  test('keeps what is made, with its defaults and its times', async () => {
    await using stage = await catalogStage()
    const { queues } = stage.catalog
    const made = await queues.create({ pool: 'default', name: 'fast', paused: false, priority: 1 })
    expect(await queues.get('default/fast')).toEqual(made)
    expect(made.createdAt).toBe(made.updatedAt)
    expect(made.createdAt).toBeGreaterThan(0)
  })

  test('refuses to make one that is there already', async () => {
    await using stage = await catalogStage()
    await stage.catalog.pools.create(pool('default'))
    await expect(stage.catalog.pools.create(pool('default'))).rejects.toMatchObject({
      code: 'CB_E_CATALOG_EXISTS',
      message: expect.stringContaining("work pool 'default'"),
    })
  })

  test('names every field that is wrong, and writes nothing', async () => {
    await using stage = await catalogStage()
    const bad = { name: 'no spaces', paused: false, limit: -1, infrastructure: { memoryMb: 1 } }
    await expect(stage.catalog.pools.create(bad)).rejects.toMatchObject({
      code: 'CB_E_CATALOG_INVALID',
      details: {
        issues: [
          { path: 'name', message: expect.any(String) },
          { path: 'limit', message: expect.any(String) },
          { path: 'infrastructure.memoryMb', message: expect.any(String) },
        ],
      },
    })
    expect(await stage.catalog.pools.list()).toEqual([])
  })

  test('says which one is missing, and which was probably meant', async () => {
    await using stage = await catalogStage()
    await stage.catalog.pools.create(pool('default'))
    await expect(stage.catalog.pools.get('defualt')).rejects.toMatchObject({
      code: 'CB_E_CATALOG_MISSING',
      message: "There is no work pool 'defualt'. Did you mean 'default'?",
    })
  })

  test('lists all of them by their ids', async () => {
    await using stage = await catalogStage()
    for (const name of ['b', 'c', 'a']) await stage.catalog.pools.create(pool(name))
    expect((await stage.catalog.pools.list()).map(({ name }) => name)).toEqual(['a', 'b', 'c'])
  })

  test('takes names that no key may hold', async () => {
    await using stage = await catalogStage()
    const { deployments } = stage.catalog
    await deployments.create(deployment({ flow: 'Wetter für morgen ☔' }))
    expect(await deployments.find('Wetter für morgen ☔/prod')).toMatchObject({
      flow: 'Wetter für morgen ☔',
    })
    expect(await deployments.delete('Wetter für morgen ☔/prod')).toBe(true)
    expect(await deployments.list()).toEqual([])
  })

  test('puts one in the place of what is there, which keeps the time it was made', async () => {
    const now = systemDeps().clock.now()
    let time = now
    const clock = { ...systemDeps().clock, now: () => time }
    await using stage = await catalogStage({ ...systemDeps(), clock })
    await stage.catalog.pools.put(pool('default'))
    time = now + 5
    const put = await stage.catalog.pools.put({ ...pool('default'), limit: 3 })
    expect(put).toMatchObject({ limit: 3, createdAt: now, updatedAt: now + 5 })
  })

  test('has both of two changes that come at once', async () => {
    await using stage = await catalogStage()
    const { pools } = stage.catalog
    await pools.create(pool('default'))
    await Promise.all([
      pools.update('default', () => ({ paused: true })),
      pools.update('default', () => ({ limit: 4 })),
    ])
    expect(await pools.get('default')).toMatchObject({ paused: true, limit: 4 })
  })

  test('leaves out what is changed to undefined', async () => {
    await using stage = await catalogStage()
    const { pools } = stage.catalog
    await pools.create({ ...pool('default'), limit: 4 })
    await pools.update('default', () => ({ limit: undefined }))
    expect(await pools.get('default')).not.toHaveProperty('limit')
  })

  test('refuses to give one another name, or to change one that is not there', async () => {
    await using stage = await catalogStage()
    const { pools } = stage.catalog
    await pools.create(pool('default'))
    await expect(pools.update('default', () => ({ name: 'other' }))).rejects.toMatchObject({
      code: 'CB_E_CATALOG_INVALID',
    })
    await expect(pools.update('other', () => ({}))).rejects.toMatchObject({ code: 'CB_E_CATALOG_MISSING' })
  })

  test('tells what is there and every change to whoever watches', async () => {
    await using stage = await catalogStage()
    const { pools } = stage.catalog
    await pools.create(pool('a'))
    const changes: Change<WorkPool>[] = []
    const gone = Promise.withResolvers<void>()
    const watch = await pools.watch((change) => {
      changes.push(change)
      if (change.kind === 'gone') gone.resolve()
    })
    await watch.caughtUp
    await pools.create(pool('b'))
    await pools.delete('a')
    await gone.promise
    await watch.stop()
    expect(changes.map(({ kind, key }) => `${kind} ${key}`)).toEqual(['put a', 'put b', 'gone a'])
  })

  test('leaves out and logs what cannot be read', async () => {
    const errors: string[] = []
    const logger: Logger = { ...silentLogger, error: (_, message) => void errors.push(message) }
    await using stage = await catalogStage(systemDeps(logger))
    const bucket = await stage.broker.kv.bucket('work-pools')
    await bucket.put(Collection.keyOf('broken'), { name: 'broken', of: 'a later version' })
    await stage.catalog.pools.create(pool('whole'))
    expect((await stage.catalog.pools.list()).map(({ name }) => name)).toEqual(['whole'])
    expect(errors).toEqual(['a work pool cannot be read and is left out'])
  })
})
