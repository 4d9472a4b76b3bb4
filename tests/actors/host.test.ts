import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RunSession } from '../../src/actors/index.ts'
import { type HostStage, makeHostStage } from './support/host-stage.ts'

let stage: HostStage
beforeEach(async () => {
  stage = await makeHostStage()
})
afterEach(() => stage.close())

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

  it('pays one entry for each task of a sequence', async () => {
    const one = await stage.host('one', { flow: addUp })
    const run = await stage.begin(one, { parameters: { v: 50 } })
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(await stage.entriesOf(run)).toBe(52)
  })
})
