/** Pauses, suspensions, sleeps and waits of flow runs. Each row of the design's table is here. */

import { describe, expect, test } from 'vitest'
import { flowChart } from '../../src/actors/flow-chart.ts'
import { flowIn, OPEN_TAGS, paused, suspended } from './support/flow-states.ts'
import { FLOW_POLICY, type FlowStep, TestRun } from './support/run.ts'

const BY = { channel: 'cli' }

describe('pause and suspend', () => {
  test.each(OPEN_TAGS.filter((tag) => !tag.startsWith('RUNNING.')))(
    '[prefect 34] %s cannot be paused or suspended',
    (tag) => {
      const run = flowIn(tag)
      expect(run.signal('pause')).toMatchObject({ is: 'rejected' })
      expect(run.signal('suspend')).toMatchObject({ is: 'rejected' })
      expect(run.tag).toBe(tag)
    },
  )

  test.each(['RUNNING.Running', 'RUNNING.Retrying'])('[prefect 34] %s can', (tag) => {
    const run = flowIn(tag)
    expect(run.signal('pause')).toMatchObject({ is: 'write', answer: 'applied' })
    expect(run.tag).toBe('PAUSED.Paused')
    const other = flowIn(tag)
    expect(other?.signal('suspend')).toMatchObject({ is: 'write', answer: 'applied' })
    expect(other?.tag).toBe('PAUSED.Suspended')
  })

  test('a pause from outside tells the host, and lasts an hour unless it says otherwise', () => {
    const run = new TestRun().running()
    run.signal('pause')
    expect(run.effects).toEqual([
      { do: 'arm', timer: 'hold', due: 3_601_000, token: 4 },
      { do: 'nudge-host' },
    ])
    const forever = new TestRun().running()
    forever.signal('suspend', { timeoutMs: null })
    expect(forever.effects).toEqual([{ do: 'nudge-host' }])
  })

  test('[prefect 41] resuming does not raise the run count', () => {
    const run = paused()
    run.signal('resume')
    expect(run.tag).toBe('RUNNING.Running')
    expect(run.context.runCount).toBe(1)
    const other = suspended()
    other.signal('resume')
    expect(other.tag).toBe('SCHEDULED.Resuming')
    expect(other.effects).toContainEqual({ do: 'enqueue', target: FLOW_POLICY.target })
    other.running('w2')
    expect(other.context.runCount).toBe(1)
  })

  test.each(OPEN_TAGS.filter((tag) => !['PAUSED.Paused', 'PAUSED.Suspended'].includes(tag)))(
    '[prefect 37] %s cannot be resumed',
    (tag) => {
      const run = flowIn(tag)
      expect(run.signal('resume')).toMatchObject({ is: 'rejected' })
      expect(run.tag).toBe(tag)
    },
  )

  test('[prefect 42] a pause that ran out is Failed', () => {
    for (const run of [paused(), suspended()]) {
      run.fire('TIMER.hold')
      expect(run.state.state).toMatchObject({
        tag: 'FAILED.Failed',
        message: 'The flow was paused and never resumed.',
      })
    }
  })

  test('[prefect 36] a resume that comes too late fails the run, and says so', () => {
    for (const run of [paused(), suspended()]) {
      run.tick(10_000)
      expect(run.signal('resume')).toMatchObject({
        is: 'rejected',
        reason: 'The flow was paused and never resumed.',
      })
      expect(run.state.state).toMatchObject({
        tag: 'FAILED.Failed',
        message: 'The flow was paused and never resumed.',
      })
    }
  })

  test.each<[string, FlowStep, string]>([
    ['COMPLETED', { type: 'COMPLETE' }, 'COMPLETED.Completed'],
    ['FAILED', { type: 'FAIL', message: 'no', retryDelayMs: null }, 'FAILED.Failed'],
    ['CRASHED', { type: 'CRASH', message: 'no' }, 'CRASHED.Crashed'],
    ['CANCELLED', { type: 'ABANDON' }, 'CANCELLED.Cancelled'],
    ['RUNNING', { type: 'RESUME', by: BY }, 'RUNNING.Running'],
    ['SCHEDULED', { type: 'RELEASE', epoch: 1 }, 'SCHEDULED.AwaitingRecovery'],
    ['CANCELLING', { type: 'CANCEL', by: BY }, 'CANCELLING.Cancelling'],
  ])('[prefect 35] a paused run may become %s', (_type, step, tag) => {
    const run = paused()
    expect(run.flow(step)).toMatchObject({ is: 'write' })
    expect(run.tag).toBe(tag)
  })

  test('[prefect 35] a paused run becomes neither PENDING nor PAUSED', () => {
    const run = paused()
    expect(run.flow({ type: 'CLAIM', worker: 'w2' })).toMatchObject({ is: 'rejected' })
    expect(run.flow({ type: 'START' })).toMatchObject({ is: 'rejected' })
    expect(run.signal('pause')).toMatchObject({ is: 'rejected' })
  })

  test('quiesced is noted once', () => {
    const run = paused()
    run.tick(5)
    expect(run.flow({ type: 'QUIESCED' })).toMatchObject({ is: 'write' })
    expect(run.context.hold?.quiescedAt).toBe(1_005)
    expect(run.flow({ type: 'QUIESCED' })).toEqual({ is: 'ignored' })
  })

  test('a suspended run keeps its host until the last running task has finished, and can go on with it till then', () => {
    const run = new TestRun().running()
    run.signal('suspend')
    expect(run.context.worker).toBe('w1')
    run.signal('resume')
    expect(run.tag).toBe('RUNNING.Running')
    expect(run.effects).toContainEqual({ do: 'nudge-host' })
  })

  test('after that nobody is left to say how its code ended', () => {
    const run = suspended()
    expect(run.context.worker).toBe(null)
    expect(run.flow({ type: 'COMPLETE' })).toMatchObject({ is: 'rejected' })
    expect(run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 0 })).toMatchObject({ is: 'rejected' })
    expect(run.flow({ type: 'ABANDON' })).toMatchObject({ is: 'rejected' })
    expect(run.tag).toBe('PAUSED.Suspended')
  })
})

describe('sleeping and waiting', () => {
  test('a run whose code waits for a time leaves its process, and its timer brings it back', () => {
    const run = flowIn('PAUSED.Sleeping')
    expect(run.context).toMatchObject({ worker: null, resuming: true })
    expect(run.effects).toEqual([{ do: 'arm', timer: 'hold', due: 60_000, token: 4 }])
    run.fire('TIMER.hold')
    expect(run.tag).toBe('SCHEDULED.Resuming')
    expect(run.effects).toEqual([
      { do: 'disarm', timer: 'hold' },
      { do: 'enqueue', target: FLOW_POLICY.target },
    ])
    expect(run.state.waits.get('sleep-0')?.outcome).toEqual({ is: 'done' })
    run.running('w2')
    expect(run.context.runCount).toBe(1)
  })

  test('a run that waits for a signal is woken by that one and keeps any other', () => {
    const run = flowIn('PAUSED.Waiting')
    run.signal('something-else')
    expect(run.tag).toBe('PAUSED.Waiting')
    run.signal('approval', { payload: { v: true } })
    expect(run.tag).toBe('SCHEDULED.Resuming')
    expect(run.state.inbox.map(({ name }) => name)).toEqual(['something-else'])
  })

  test('a sleeping run is not woken by a signal', () => {
    const run = flowIn('PAUSED.Sleeping')
    run.signal('approval')
    expect(run.tag).toBe('PAUSED.Sleeping')
    expect(run.state.inbox).toHaveLength(1)
  })

  test('a run does not leave its process for nothing, or for what has been answered', () => {
    const run = new TestRun().running()
    expect(run.flow({ type: 'PARK', until: null, signals: [] })).toMatchObject({ is: 'rejected' })
    expect(run.flow({ type: 'PARK', until: 60_000, signals: [] })).toMatchObject({ is: 'rejected' })
    expect(run.flow({ type: 'PARK', until: null, signals: ['approval'] })).toMatchObject({ is: 'rejected' })
    expect(flowChart.can(run.state.flow, { type: 'PARK', at: 1, until: null, signals: [] })).toBe(false)
  })

  test('slots are given back with the worker', () => {
    const policy = { ...FLOW_POLICY, limits: ['db'] }
    const parked = new TestRun({ policy }).running().parked({ until: 60_000 })
    expect(parked.effects).toContainEqual({ do: 'release-slots' })
    const held = new TestRun({ policy }).running()
    held.signal('suspend')
    expect(held.effects).not.toContainEqual({ do: 'release-slots' })
    held.flow({ type: 'QUIESCED' })
    expect(held.effects).toContainEqual({ do: 'release-slots' })
  })
})
