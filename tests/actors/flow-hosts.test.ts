/** Hosts that are lost, and hosts that hand back. Each row of the design's table is here. */

import { describe, expect, test } from 'vitest'
import { flowIn, paused } from './support/flow-states.ts'
import { FLOW_POLICY, TestRun } from './support/run.ts'

describe('a lost host', () => {
  test.each(['PENDING.Pending', 'RUNNING.Running', 'PAUSED.Paused', 'SCHEDULED.AwaitingRetry'])(
    '%s is made good by AwaitingRecovery, counted',
    (tag) => {
      const run = flowIn(tag)
      run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'lease lapsed' })
      expect(run.state.state).toMatchObject({
        tag: 'SCHEDULED.AwaitingRecovery',
        message: 'The worker was lost: lease lapsed',
      })
      expect(run.context).toMatchObject({ worker: null, recoveryCount: 1 })
    },
  )

  test('it runs again on another worker without another run count', () => {
    const run = flowIn('SCHEDULED.AwaitingRecovery')
    expect(run.effects).toContainEqual({ do: 'enqueue', target: FLOW_POLICY.target })
    run.running('w2')
    expect(run.tag).toBe('RUNNING.Running')
    expect(run.context).toMatchObject({ runCount: 1, epoch: 2, worker: 'w2' })
  })

  test.each(['PENDING.Pending', 'RUNNING.Running', 'PAUSED.Paused', 'SCHEDULED.AwaitingRetry'])(
    '%s is Crashed when the recoveries are spent',
    (tag) => {
      const run = flowIn(tag)
      for (let lost = 1; lost <= 3; lost++) {
        run.flow({ type: 'HOST_LOST', epoch: lost, reason: 'exit 137' })
        run.claimed(`w${lost + 1}`)
      }
      run.flow({ type: 'HOST_LOST', epoch: 4, reason: 'exit 137' })
      expect(run.state.state).toMatchObject({
        tag: 'CRASHED.Crashed',
        message: 'Run crashed. The worker was lost: exit 137 (recovered 3 of at most 3 times)',
      })
    },
  )

  test('by policy it is Crashed at once', () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, onCrash: 'crash' } }).running()
    run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    expect(run.tag).toBe('CRASHED.Crashed')
  })

  test('news of an older host are ignored', () => {
    const run = flowIn('SCHEDULED.AwaitingRecovery')
    run.running('w2')
    expect(run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })).toEqual({ is: 'ignored' })
    expect(run.flow({ type: 'RELEASE', epoch: 1 })).toEqual({ is: 'ignored' })
    expect(run.tag).toBe('RUNNING.Running')
  })

  test.each(['PENDING.Pending', 'RUNNING.Running', 'PAUSED.Paused', 'SCHEDULED.AwaitingRetry'])(
    '%s that is handed back in good order costs no recovery, whatever the policy',
    (tag) => {
      const run = flowIn(tag)
      run.flow({ type: 'RELEASE', epoch: 1 })
      expect(run.tag).toBe('SCHEDULED.AwaitingRecovery')
      expect(run.context).toMatchObject({ worker: null, recoveryCount: 0 })
    },
  )

  test('its slots stay its own while it changes hands, and are given back when it has crashed', () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, limits: ['db'], maxRecoveries: 1 } }).running()
    run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    expect(run.effects).not.toContainEqual({ do: 'release-slots' })
    run.running('w2').flow({ type: 'HOST_LOST', epoch: 2, reason: 'gone' })
    expect(run.tag).toBe('CRASHED.Crashed')
    expect(run.effects).toContainEqual({ do: 'release-slots' })
  })

  test('what is left of a retry delay is waited for without a host', () => {
    const run = flowIn('SCHEDULED.AwaitingRetry')
    run.tick(1_000).flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    expect(run.effects.map((effect) => effect.do)).not.toContain('enqueue')
    expect(run.context.timers).toMatchObject({ start: { due: 6_000 } })
    run.fire('TIMER.start')
    expect(run.effects).toContainEqual({ do: 'enqueue', target: FLOW_POLICY.target })
    run.running('w2')
    expect(run.tag).toBe('RUNNING.Retrying')
    expect(run.context.runCount).toBe(2)
  })

  test('a retry that was due already is enqueued at once', () => {
    const run = flowIn('SCHEDULED.AwaitingRetry')
    run.tick(5_000).flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    expect(run.effects).toContainEqual({ do: 'enqueue', target: FLOW_POLICY.target })
  })

  test('a suspended run whose host is lost is simply suspended', () => {
    const run = new TestRun().running()
    run.signal('suspend')
    run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    expect(run.tag).toBe('PAUSED.Suspended')
    expect(run.context).toMatchObject({ worker: null, recoveryCount: 0 })
  })

  test('a pause outlives its host: with its end, and until it is resumed', () => {
    const run = paused()
    const { due } = run.context.timers.hold ?? {}
    const { since } = run.context.hold ?? {}
    run.tick(500).flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    expect(run.context.timers.hold?.due).toBe(due)
    run.running('w2')
    expect(run.written.map((record) => record.k === 'flow' && record.s)).toEqual([
      'RUNNING.Running',
      'PAUSED.Paused',
    ])
    expect(run.context.timers.hold?.due).toBe(due)
    expect(run.context.hold?.since).toBe(since)
    run.signal('resume')
    expect(run.tag).toBe('RUNNING.Running')
  })

  test('a pause can be resumed before a host is found, and can run out', () => {
    const run = paused()
    run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    expect(run.legal).toEqual(['resume', 'cancel'])
    run.signal('resume')
    expect(run.tag).toBe('SCHEDULED.AwaitingRecovery')
    run.running('w2')
    expect(run.tag).toBe('RUNNING.Running')

    const other = paused()
    other.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    other.fire('TIMER.hold')
    expect(other.state.state).toMatchObject({
      tag: 'FAILED.Failed',
      message: 'The flow was paused and never resumed.',
    })
  })
})
