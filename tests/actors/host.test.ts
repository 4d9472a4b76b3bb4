import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RunSession } from '../../src/actors/index.ts'
import { type HostStage, makeHostStage } from './support/host-stage.ts'

let stage: HostStage
beforeEach(async () => {
  stage = await makeHostStage()
})
afterEach(() => stage.close())

/** Nobody may read what a run's last entry is. */
const UNREADABLE = { operation: 'log.last', fault: 'lose-before', nth: 1 } as const

async function addUp(run: RunSession, parameters: unknown): Promise<number> {
  let sum = 0
  for (let i = 0; i < Number(parameters); i++) sum += Number(await run.task({ task: 'add' }, () => i))
  return sum
}

describe('a hosted run', () => {
  it('is claimed from the queue, run, and ends with its result in the log', async () => {
    const { host } = await stage.host('one', { flow: addUp })
    const run = await stage.create({ parameters: { v: 2 } })
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect((await stage.stateOf(run)).result).toEqual({ v: 1 })
    expect(await stage.historyOf(run)).toEqual([
      'created SCHEDULED.Scheduled',
      'CLAIM PENDING.Pending',
      'START RUNNING.Running',
      'add-0 START RUNNING.Running',
      'add-0 COMPLETE COMPLETED.Completed',
      'add-1 START RUNNING.Running',
      'add-1 COMPLETE COMPLETED.Completed',
      'COMPLETE COMPLETED.Completed',
    ])
    expect(host.hosted).toBe(0)
  })

  it('is claimed without a look at its log when its item has a copy of all of it', async () => {
    const one = await stage.host('one', { flow: async () => 1 }, {}, { plan: { rules: [UNREADABLE] } })
    const run = await stage.create()
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(one.broker.faults).toEqual([])
  })

  it('is not claimed from a copy that the log has gone beyond', async () => {
    const run = await stage.create()
    await stage.signal(run, 'cancel')
    const ran: string[] = []
    await stage.host('one', {
      flow: async ({ start }) => {
        ran.push(start.run)
      },
    })
    const later = await stage.create()
    await stage.untilTag(later, 'COMPLETED.Completed')
    expect(await stage.historyOf(run)).toEqual(['created SCHEDULED.Scheduled', 'CANCEL CANCELLED.Cancelled'])
    expect(ran).toEqual([later])
  })

  it('is read from its log when the copy in its item makes no sense', async () => {
    await stage.host('one', { flow: async () => 1 })
    const run = await stage.create({ scheduledTime: stage.clock.now() + 3_600_000 })
    const { queue } = stage.home.broker
    await stage.drive(queue.enqueue('default', { run, first: [{ k: 'nonsense' }] }, { id: 'nonsense' }))
    const other = await stage.create()
    await stage.untilTag(other, 'COMPLETED.Completed')
    expect((await stage.stateOf(run)).flow.tag).toBe('SCHEDULED.Scheduled')
  })

  it('pays one entry for each task of a sequence', async () => {
    const one = await stage.host('one', { flow: addUp })
    const run = await stage.begin(one, { parameters: { v: 50 } })
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(await stage.entriesOf(run)).toBe(52)
  })
})
