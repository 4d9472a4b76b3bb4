/** What a flow run remembers of itself: times, counts, names, whom it tells. Each row of the design's table is here. */

import { describe, expect, test } from 'vitest'
import { ended } from './support/flow-states.ts'
import { FLOW_POLICY, TestRun } from './support/run.ts'

describe('bookkeeping', () => {
  test('start, end, spans and counts are those of the RUNNING times', () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, retries: 1 } }).tick(10).running()
    expect(run.context).toMatchObject({ startTime: 1_010, runningSince: 1_010, endTime: null, runCount: 1 })
    run.tick(100).signal('pause')
    expect(run.context).toMatchObject({ runningSince: null, totalRunMs: 100 })
    run.tick(1_000).signal('resume')
    run.tick(20).flow({ type: 'FAIL', message: 'no', retryDelayMs: 500 })
    expect(run.context).toMatchObject({ totalRunMs: 120, runningSince: null })
    run.fire('TIMER.retry')
    run.tick(3).flow({ type: 'COMPLETE' })
    expect(run.context).toMatchObject({
      startTime: 1_010,
      endTime: run.now,
      totalRunMs: 123,
      runCount: 2,
      worker: null,
    })
    run.tick(50).signal('retry')
    expect(run.context).toMatchObject({ startTime: 1_010, endTime: null, expectedStart: run.now })
    run.running('w2')
    expect(run.context).toMatchObject({ startTime: 1_010, runCount: 3 })
  })

  test('a clock that went backwards counts as no time', () => {
    const run = new TestRun().running()
    run.now = 400
    run.flow({ type: 'COMPLETE' })
    expect(run.context.totalRunMs).toBe(0)
  })

  test('a name of the code’s own is kept and its type drives the rules', () => {
    const run = ended({ type: 'COMPLETE', name: 'Wise', message: 'all of it' })
    expect(run.state.state).toEqual({ tag: 'COMPLETED.Wise', at: 1_000, message: 'all of it' })
    expect(run.legal).toEqual(['retry'])
    expect(run.signal('cancel')).toEqual({ is: 'rejected', reason: 'The flow run has ended: it is Wise.' })
    run.signal('retry')
    expect(run.tag).toBe('SCHEDULED.Scheduled')
    run.running('w2').flow({ type: 'COMPLETE' })
    expect(run.tag).toBe('COMPLETED.Completed')
  })

  test('the state a run is in says since when; what only happens in it does not change that', () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, retries: 2 } }).running().tick(10)
    run.signal('approval')
    expect(run.state.state.at).toBe(1_000)
    run.flow({ type: 'FAIL', message: 'first', retryDelayMs: 0 })
    run.tick(10).flow({ type: 'FAIL', message: 'second', retryDelayMs: 0 })
    expect(run.state.state).toEqual({ tag: 'RUNNING.Retrying', at: 1_020, message: 'second' })
  })

  test('a parent is told when its child has ended', () => {
    const child = new TestRun({ parent: { run: 'p', key: 'c-0' } }).running()
    child.flow({ type: 'COMPLETE' })
    expect(child.effects).toEqual([{ do: 'tell-parent' }])
    expect(ended({ type: 'COMPLETE' }).effects).toEqual([])
  })
})

describe('an event that makes the chart throw', () => {
  const broken = JSON.parse('{"type":"PAUSE","key":"k","until":null}')

  test('[scenario 19] leaves the run as it is, stands in the log as poison, and the next one works', () => {
    const run = new TestRun().running()
    const { flow } = run.state
    expect(run.flow(broken)).toMatchObject({
      is: 'rejected',
      reason: expect.stringMatching(/^The event PAUSE could not be judged; it is kept in the log/),
    })
    expect(run.state.flow).toBe(flow)
    expect(run.written).toEqual([
      { k: 'poison', at: 1_000, event: { at: 1_000, ...broken }, error: expect.stringContaining('channel') },
    ])
    expect(run.refolded).toEqual(run.state)
    expect(run.signal('pause')).toMatchObject({ is: 'write' })
  })

  test('[scenario 18] one that a finished run does not take is refused, and nothing is written', () => {
    const run = ended({ type: 'COMPLETE' })
    const entries = run.entries.length
    expect(run.signal('cancel')).toEqual({
      is: 'rejected',
      reason: 'The flow run has ended: it is Completed.',
    })
    expect(run.entries).toHaveLength(entries)
    expect(run.tag).toBe('COMPLETED.Completed')
  })
})
