import { describe, expect, test } from 'vitest'
import {
  createPool,
  createQueue,
  deletePool,
  deleteQueue,
  ensureDefaultPool,
  queueId,
} from '../../src/catalog/index.ts'
import { catalogStage } from './stage.ts'

describe('a work pool', () => {
  test('is made with its default queue', async () => {
    await using stage = await catalogStage()
    await createPool(stage.catalog, { name: 'big', limit: 5 })
    expect(await stage.catalog.pools.get('big')).toMatchObject({ limit: 5, paused: false })
    expect((await stage.catalog.queues.list()).map(queueId)).toEqual(['big/default'])
  })

  test('cannot be made twice, and keeps its queues when somebody tries', async () => {
    await using stage = await catalogStage()
    await createPool(stage.catalog, { name: 'big' })
    await stage.catalog.queues.update('big/default', () => ({ paused: true }))
    await expect(createPool(stage.catalog, { name: 'big' })).rejects.toMatchObject({
      code: 'CB_E_CATALOG_EXISTS',
    })
    expect(await stage.catalog.queues.get('big/default')).toMatchObject({ paused: true })
  })

  test('takes its queues with it when it is deleted, and no other', async () => {
    await using stage = await catalogStage()
    for (const name of ['big', 'small']) await createPool(stage.catalog, { name })
    await createQueue(stage.catalog, { pool: 'big', name: 'fast' })
    expect(await deletePool(stage.catalog, 'big')).toBe(true)
    expect((await stage.catalog.queues.list()).map(queueId)).toEqual(['small/default'])
    expect(await deletePool(stage.catalog, 'big')).toBe(false)
  })

  test("is there by the name 'default' for whoever asks first, also when several do at once", async () => {
    await using stage = await catalogStage()
    const made = await Promise.all([ensureDefaultPool(stage.catalog), ensureDefaultPool(stage.catalog)])
    expect(made.filter(Boolean)).toHaveLength(1)
    expect(await ensureDefaultPool(stage.catalog)).toBe(false)
    expect((await stage.catalog.queues.list()).map(queueId)).toEqual(['default/default'])
  })
})

describe('a work queue', () => {
  test('needs its pool', async () => {
    await using stage = await catalogStage()
    await expect(createQueue(stage.catalog, { pool: 'big', name: 'fast' })).rejects.toMatchObject({
      code: 'CB_E_CATALOG_MISSING',
      message: "There is no work pool 'big'.",
    })
  })

  test('[prefect 63] can be deleted, but for the one that every pool has', async () => {
    await using stage = await catalogStage()
    await createPool(stage.catalog, { name: 'big' })
    await createQueue(stage.catalog, { pool: 'big', name: 'fast', priority: 1 })
    expect(await deleteQueue(stage.catalog, { pool: 'big', name: 'fast' })).toBe(true)
    await expect(deleteQueue(stage.catalog, { pool: 'big', name: 'default' })).rejects.toMatchObject({
      code: 'CB_E_CATALOG_INVALID',
    })
    expect((await stage.catalog.queues.list()).map(queueId)).toEqual(['big/default'])
  })
})
