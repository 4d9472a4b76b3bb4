import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createRun, IDEMPOTENCY_BUCKET } from '../../src/actors/index.ts'
import { partitionOf } from '../../src/core/index.ts'
import { type HostStage, makeHostStage } from './support/host-stage.ts'

let stage: HostStage
beforeEach(async () => {
  stage = await makeHostStage()
})
afterEach(() => stage.close())

const depth = () => stage.drive(stage.home.broker.queue.depth('default'))

describe('creating a run', () => {
  it('makes its first entry, and puts it into its queue when it is due', async () => {
    const run = await stage.create({ tags: ['a'], deployment: 'nightly' })
    const state = await stage.stateOf(run)
    expect(state.rev).toBe(1)
    expect(state.created).toMatchObject({
      flow: 'flow',
      tags: ['a'],
      deployment: 'nightly',
      by: { channel: 'test' },
    })
    expect(await depth()).toBe(1)
  })

  it('tells in its item what its first entry says, and where that stands', async () => {
    const { broker, deps } = stage.home
    const [run, entry, item] = await stage.drive(
      (async () => {
        const made = await createRun(broker, deps, stage.newRun({}))
        const claimed = await broker.queue.claim(['default'], 1, new AbortController().signal)
        return [made.run, await broker.log.last(made.run), claimed[0]?.item] as const
      })(),
    )
    expect(entry?.rev).toBe(1)
    expect(item).toEqual({ run, first: entry?.records, at: entry?.cursor })
  })

  it('leaves one that starts later to the scheduler, which starts it at its time', async () => {
    await stage.scheduler()
    await stage.host('one', { flow: async () => 1 })
    const due = stage.clock.now() + 60_000
    const run = await stage.create({ scheduledTime: due })
    expect(await depth()).toBe(0)
    await stage.clock.advance(59_000)
    expect((await stage.stateOf(run)).flow.tag).toBe('SCHEDULED.Scheduled')
    await stage.untilTag(run, 'COMPLETED.Completed', 5_000)
    expect((await stage.stateOf(run)).flow.context.startTime).toBeGreaterThanOrEqual(due)
  })

  it('in the partition of its root', async () => {
    const root = await stage.create()
    for (let i = 0; i < 20; i++) expect(partitionOf(await stage.create({ root }))).toBe(partitionOf(root))
  })

  it('is found by the scheduler when the creator dies before it could enqueue it', async () => {
    await stage.scheduler()
    const machine = await stage.machine('client', {
      plan: { rules: [{ operation: 'queue.enqueue', fault: 'crash-before', nth: 1 }] },
    })
    void createRun(machine.broker, machine.deps, stage.newRun({ id: 'orphan' }))
    await stage.until(() => machine.broker.faults.length > 0)
    machine.kill()
    await stage.host('one', { flow: async () => 1 })
    await stage.untilTag('orphan', 'COMPLETED.Completed')
  })
})

describe('an idempotency key', () => {
  it('makes one run, whoever brings it and however often', async () => {
    const made = await stage.drive(
      Promise.all(
        Array.from({ length: 20 }, () =>
          createRun(stage.home.broker, stage.home.deps, stage.newRun({ idempotencyKey: 'order-7' })),
        ),
      ),
    )
    expect(new Set(made.map(({ run }) => run)).size).toBe(1)
    expect(made.filter(({ existing }) => !existing)).toHaveLength(1)
    expect(await depth()).toBe(1)
  })

  it('is of its flow: another flow has its own', async () => {
    const one = await stage.create({ idempotencyKey: 'order-7' })
    expect(await stage.create({ idempotencyKey: 'order-7', flow: 'other' })).not.toBe(one)
  })

  it('may be any text', async () => {
    const key = '🧾 order/7 * > . '.repeat(50)
    expect(await stage.create({ idempotencyKey: key })).toBe(await stage.create({ idempotencyKey: key }))
  })

  it('whose run was never written, because its creator died, is made good by the next who brings it', async () => {
    for (const fault of ['crash-before', 'crash-after'] as const) {
      const machine = await stage.machine(fault, {
        plan: { rules: [{ operation: 'log.append', fault, nth: 1 }] },
      })
      const input = stage.newRun({ idempotencyKey: fault })
      void createRun(machine.broker, machine.deps, input)
      await stage.until(() => machine.broker.faults.length > 0)
      machine.kill()
      const { run } = await stage.drive(createRun(stage.home.broker, stage.home.deps, input))
      expect(await stage.entriesOf(run)).toBe(1)
      expect((await stage.stateOf(run)).created.idempotencyKey).toBe(fault)
    }
  })

  it('that is bound to no run at all is an error that names the key', async () => {
    const run = await stage.create({ idempotencyKey: 'k' })
    const bucket = await stage.drive(stage.home.broker.kv.bucket(IDEMPOTENCY_BUCKET))
    const [bound] = await stage.drive(Array.fromAsync(bucket.list()))
    expect(bound?.value).toEqual({ run })
    await stage.drive(bucket.put(bound?.key ?? '', 'nonsense'))
    await expect(stage.create({ idempotencyKey: 'k' })).rejects.toMatchObject({
      code: 'CB_E_STORE_DAMAGED',
      message: expect.stringContaining(bound?.key ?? ''),
    })
  })
})
