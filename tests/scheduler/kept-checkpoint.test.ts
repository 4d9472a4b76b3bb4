import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Broker, Cursor } from '../../src/broker/index.ts'
import { CallboardError, partitionOf } from '../../src/core/index.ts'
import { checkpointKey } from '../../src/scheduler/checkpoint.ts'
import { createScheduler, type Scheduler, type SchedulerOptions } from '../../src/scheduler/index.ts'
import { KeptCheckpoint } from '../../src/scheduler/kept-checkpoint.ts'
import { makeStage, type Stage, until } from './stage.ts'

let stage: Stage
beforeEach(async () => {
  stage = await makeStage()
})
afterEach(() => stage.close())

const by = { channel: 'test' }

interface Holder {
  readonly scheduler: Scheduler
  /** Lets go of everything; the keys of the checkpoints that it wrote for that. */
  stop(): Promise<string[]>
}

let holders = 0

/** A scheduler that holds everything there is. */
async function holder(
  options: SchedulerOptions = {},
  through: (broker: Broker) => Broker = (broker) => broker,
): Promise<Holder> {
  const id = `holder-${++holders}`
  const { broker, deps } = await stage.machine(id)
  const written: string[] = []
  const put: Broker['objects']['put'] = (key, data) => {
    written.push(key)
    return through(broker).objects.put(key, data)
  }
  const watched = { ...through(broker), objects: { ...broker.objects, put } }
  const scheduler = createScheduler(watched, deps, { id, ...options })
  await stage.drive(scheduler.start())
  await until(stage, () => scheduler.status().holding.length === 64)
  await stage.clock.advance(100)
  return {
    scheduler,
    async stop() {
      const before = written.length
      await stage.drive(scheduler.stop())
      return written.slice(before)
    },
  }
}

const keyOf = (run: string) => checkpointKey(partitionOf(run))
const depth = () => stage.drive(stage.home.broker.queue.depth('default'))

describe('letting go of a partition', () => {
  test('writes nothing when nothing has happened in it', async () => {
    const one = await holder()
    const run = await stage.create()
    await stage.clock.advance(1_000)
    expect(await one.stop()).toEqual([keyOf(run)])
    for (let again = 0; again < 3; again++) expect(await (await holder()).stop()).toEqual([])
  })

  test('writes what has changed, though no run is left in it', async () => {
    const first = await holder()
    const run = await stage.create()
    await stage.clock.advance(1_000)
    await first.stop()
    const second = await holder()
    await stage.say(run, { type: 'CANCEL', at: stage.clock.now(), by })
    await stage.clock.advance(1_000)
    expect(await second.stop()).toEqual([keyOf(run)])
    const third = await holder()
    expect(third.scheduler.status().runs).toBe(0)
    expect(await third.stop()).toEqual([])
  })

  test('writes that an item is in its queue, so that no later holder puts it there again', async () => {
    const creator = await stage.machine('creator')
    const dead = { ...creator.broker.queue, enqueue: () => Promise.reject(new Error('it is dead')) }
    const one = await holder()
    const run = await stage.create({}, { ...creator.broker, queue: dead })
    await stage.clock.advance(100) // it is left to its writer for longer
    expect(await one.stop()).toEqual([keyOf(run)])
    expect(await depth()).toBe(0)
    const two = await holder()
    expect(await depth()).toBe(1)
    expect(await two.stop()).toEqual([keyOf(run)])
    const enqueued: unknown[] = []
    const three = await holder({}, (broker) => ({
      ...broker,
      queue: {
        ...broker.queue,
        enqueue: (...args) => {
          enqueued.push(args)
          return broker.queue.enqueue(...args)
        },
      },
    }))
    expect([enqueued, await three.stop()]).toEqual([[], []])
  })

  test('writes how far it goes when others have gone on by as much as lies between two checkpoints', async () => {
    const few = { checkpointEvery: 10 }
    const one = await holder(few)
    const [root = ''] = await stage.createMany(1, () => ({}))
    await stage.createMany(5, () => ({ root }))
    await stage.clock.advance(1_000)
    expect(await one.stop()).toEqual([keyOf(root)])
    const two = await holder(few)
    await stage.createMany(5, () => ({ root }))
    await stage.clock.advance(1_000)
    expect(new Set(await two.stop()).size).toBe(64)
    expect(await (await holder(few)).stop()).toEqual([])
  })

  test('writes how far it goes when it cannot know by how much others have gone on', async () => {
    const one = await stage.scheduler('one')
    const two = await stage.scheduler('two')
    await until(stage, () => one.status().holding.length === 32 && two.status().holding.length === 32)
    const held = one.status().holding
    const runs: number[] = []
    while (!runs.some((partition) => held.includes(partition))) runs.push(partitionOf(await stage.create()))
    await stage.clock.advance(1_000)
    await stage.drive(one.stop())
    const { objects } = stage.home.broker
    for (const partition of held)
      expect(await stage.drive(objects.get(checkpointKey(partition)))).toBeDefined()
    expect(held.some((partition) => !runs.includes(partition))).toBe(true)
  })

  test('replaces a checkpoint that was damaged, whatever has happened', async () => {
    const { objects } = stage.home.broker
    await stage.create()
    await stage.drive((await holder()).scheduler.stop())
    await stage.drive(objects.put(checkpointKey(3), Buffer.from('{}\n')))
    expect(await (await holder()).stop()).toEqual([checkpointKey(3)])
    expect(await (await holder()).stop()).toEqual([])
  })

  test('writes again what could not be written', async () => {
    let isAway = true
    const put = () => Promise.reject(new CallboardError('CB_E_BROKER_UNAVAILABLE', 'It did not answer.'))
    const one = await holder({ checkpointEvery: 2 }, (broker) =>
      isAway ? { ...broker, objects: { ...broker.objects, put } } : broker,
    )
    const run = await stage.create()
    await stage.say(run, { type: 'CANCEL', at: stage.clock.now(), by }) // there is no row then, as in the beginning
    await stage.clock.advance(1_000)
    isAway = false
    expect(await one.stop()).toContain(keyOf(run))
  })
})

describe('what is kept', () => {
  const cursor = '7' as Cursor
  const says = { cursor, retained: cursor, rows: [], digest: 'd' }

  test('is worth another one when runs, or the looking for old ones, differ from it', () => {
    const kept = new KeptCheckpoint(10)
    kept.found(says)
    expect(kept.isWorth(says, 0)).toBe(false)
    expect(kept.isWorth({ ...says, digest: 'other' }, 0)).toBe(true)
    expect(kept.isWorth({ ...says, retained: undefined }, 0)).toBe(true)
  })

  test('is not written for how far it goes alone while to write it costs more than to read on', () => {
    const kept = new KeptCheckpoint(10)
    kept.found(says)
    kept.passed(99)
    expect([kept.isWorth(says, 100), kept.isWorth(says, 99)]).toEqual([false, true])
  })

  test('is not known from when it is about to be replaced until that is done', () => {
    const kept = new KeptCheckpoint(10)
    kept.found(says)
    kept.writing()
    expect([kept.isBehind, kept.isWorth(says, 0)]).toEqual([true, true])
    kept.written(says)
    expect([kept.isBehind, kept.isWorth(says, 0)]).toEqual([false, false])
  })
})
