/** Cancelling. Each row of the design's table is here. */

import { describe, expect, test } from 'vitest'
import { flowIn, OPEN_TAGS } from './support/flow-states.ts'
import { type FlowStep, TestRun } from './support/run.ts'

const BY = { channel: 'cli' }

describe('cancelling', () => {
  test.each(
    OPEN_TAGS.filter(
      (tag) =>
        tag.startsWith('SCHEDULED.') ||
        ['PAUSED.Suspended', 'PAUSED.Sleeping', 'PAUSED.Waiting'].includes(tag),
    ),
  )('[prefect 45] [prefect 43] %s is Cancelled at once: there is nothing to kill', (tag) => {
    const run = flowIn(tag)
    expect(run.signal('cancel')).toMatchObject({ is: 'write', answer: 'applied' })
    expect(run.state.state).toMatchObject({ tag: 'CANCELLED.Cancelled', message: 'Run cancelled.' })
    expect(run.context).toMatchObject({ worker: null, timers: {} })
  })

  test.each(['PENDING.Pending', 'RUNNING.Running', 'RUNNING.Retrying', 'PAUSED.Paused'])(
    '[prefect 43] %s becomes Cancelling, its host is told and its grace begins',
    (tag) => {
      const run = flowIn(tag)
      expect(run.signal('cancel', { message: 'wrong city' })).toMatchObject({
        is: 'write',
        answer: 'accepted',
      })
      expect(run.state.state).toMatchObject({ tag: 'CANCELLING.Cancelling', message: 'wrong city' })
      expect(run.effects).toContainEqual({ do: 'nudge-host' })
      expect(run.context.timers).toEqual({ grace: { due: (run.now ?? 0) + 32_500, token: run.context.n } })
    },
  )

  test('a suspended run whose tasks still run becomes Cancelling: there is something to kill', () => {
    const run = new TestRun().running()
    run.signal('suspend')
    expect(run.signal('cancel')).toMatchObject({ answer: 'accepted' })
    expect(run.tag).toBe('CANCELLING.Cancelling')
  })

  test('a grace of its own beats that of the policy', () => {
    const run = new TestRun().running()
    run.signal('cancel', { graceMs: 0 })
    expect(run.context.timers.grace?.due).toBe(3_500)
  })

  test.each<FlowStep>([
    { type: 'COMPLETE' },
    { type: 'FAIL', message: 'no', retryDelayMs: 0 },
    { type: 'CRASH', message: 'no' },
    { type: 'ABANDON' },
    { type: 'CLAIM', worker: 'w2' },
    { type: 'START' },
    { type: 'PAUSE', key: 'a', until: null, by: BY },
    { type: 'SUSPEND', key: 'a', until: null, by: BY },
    { type: 'PARK', until: 5, signals: [] },
    { type: 'RESUME', by: BY },
    { type: 'SIGNAL', name: 'approval', by: BY },
    { type: 'CANCEL', by: BY },
    { type: 'RETRY', by: BY },
    { type: 'SLOT_WAIT', limits: [] },
  ])('[prefect 44] CANCELLING takes nothing but CANCELLED: not $type', (step) => {
    const run = flowIn('CANCELLING.Cancelling')
    expect(run.flow(step)).toMatchObject({ is: 'rejected' })
    expect(run.tag).toBe('CANCELLING.Cancelling')
  })

  test('[prefect 44] CANCELLING takes CANCELLED, and keeps what the sender said', () => {
    const run = new TestRun().running()
    run.signal('cancel', { message: 'wrong city' })
    run.flow({ type: 'CANCELLED' })
    expect(run.state.state).toMatchObject({ tag: 'CANCELLED.Cancelled', message: 'wrong city' })
    expect(run.effects).not.toContainEqual({ do: 'nudge-host' })
  })

  test('[prefect 49] it is Cancelled after its grace whatever its host does', () => {
    const run = flowIn('CANCELLING.Cancelling')
    run.fire('TIMER.grace')
    expect(run.tag).toBe('CANCELLED.Cancelled')
    expect(run.effects).toContainEqual({ do: 'nudge-host' })
  })

  test('it is Cancelled when its host is lost', () => {
    const run = flowIn('CANCELLING.Cancelling')
    run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    expect(run.state.state).toMatchObject({ tag: 'CANCELLED.Cancelled', message: 'Run cancelled.' })
  })

  test('[prefect 48] its open task runs are Cancelled in the same entry, finished ones untouched', () => {
    const run = new TestRun().running()
    run.call('done-0')
    run.task('done-0', { type: 'START' })
    run.task('done-0', { type: 'COMPLETE' })
    run.call('open-0')
    run.task('open-0', { type: 'START' })
    run.call('open-1')
    run.signal('cancel')
    expect([run.taskTag('open-0'), run.taskTag('open-1')]).toEqual(['RUNNING.Running', 'PENDING.Pending'])
    run.flow({ type: 'CANCELLED' })
    expect(run.written.map(({ k }) => k)).toEqual(['flow', 'tasks'])
    expect(['done-0', 'open-0', 'open-1'].map((id) => run.taskTag(id))).toEqual([
      'COMPLETED.Completed',
      'CANCELLED.Cancelled',
      'CANCELLED.Cancelled',
    ])
  })

  test('[prefect 48] its children are told, if it has any', () => {
    const run = new TestRun().running()
    run.signal('cancel')
    expect(run.effects.map((effect) => effect.do)).not.toContain('tell-children')
    const parent = new TestRun().running()
    parent.propose(() => ({
      is: 'write',
      answer: 'applied',
      records: [{ k: 'child', id: 'c-0', at: 1, run: 'other', flow: 'f' }],
    }))
    parent.signal('cancel')
    expect(parent.effects).toContainEqual({ do: 'tell-children', signal: 'cancel' })
  })
})
