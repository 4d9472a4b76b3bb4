/** Pauses, sleeps and signal waits of the code, and what else a replay meets: children and recorded values. */

import { describe, expect, test } from 'vitest'
import { judgeChild, judgeValue, judgeWait, judgeWaitDue } from './support/room.ts'
import { FLOW_POLICY, TestRun } from './support/run.ts'

type Request = Parameters<typeof judgeWait>[0]

function running(): TestRun {
  return new TestRun({ policy: { ...FLOW_POLICY, retries: 1 } }).running()
}

function wait(run: TestRun, request: Request) {
  return run.propose(judgeWait(request, run.now))
}

function lost(run: TestRun): TestRun {
  const { epoch } = run.context
  run.flow({ type: 'HOST_LOST', epoch, reason: 'gone' })
  return run.running(`w${epoch + 1}`)
}

const outcome = (run: TestRun, id: string) => run.state.waits.get(id)?.outcome

const PAUSE: Request = { id: 'pause-0', kind: 'pause', forMs: 60_000, message: 'Please look.' }
const SUSPEND: Request = { id: 'suspend-0', kind: 'suspend', forMs: 60_000 }
const SLEEP: Request = { id: 'sleep-0', kind: 'sleep', forMs: 10_000 }
const SIGNAL: Request = { id: 'go-0', kind: 'signal', signal: 'go', forMs: 10_000 }

describe('a pause', () => {
  test('is a wait and a transition in one entry', () => {
    const run = running()
    wait(run, PAUSE)
    expect(run.written.map(({ k }) => k)).toEqual(['wait', 'flow'])
    expect(run.state.state).toMatchObject({ tag: 'PAUSED.Paused', message: 'Please look.' })
    expect(run.context.timers.hold?.due).toBe(61_000)
    expect(run.effects.map((effect) => effect.do)).toEqual(['arm'])
  })

  test('[prefect 27] of the same key does not pause twice', () => {
    const run = running()
    wait(run, PAUSE)
    run.signal('resume')
    expect(wait(run, PAUSE)).toEqual({ is: 'known', answer: 'applied' })
    expect(run.tag).toBe('RUNNING.Running')
  })

  test('pauses again after a retry: the keys are cleared', () => {
    const run = running()
    wait(run, PAUSE)
    run.signal('resume')
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 0 })
    expect(wait(run, PAUSE)).toMatchObject({ is: 'write' })
    expect(run.tag).toBe('PAUSED.Paused')
  })

  test('that is met open after a lost host is in force already, with the end it had', () => {
    const run = running()
    wait(run, PAUSE)
    lost(run.tick(30_000))
    expect(run.tag).toBe('PAUSED.Paused')
    expect(wait(run, PAUSE)).toEqual({ is: 'known', answer: 'applied' })
    expect(run.context.timers.hold?.due).toBe(61_000)
  })

  test('that the code meets open while it runs takes hold again, with the end it had', () => {
    const run = running()
    run.propose(() => ({
      is: 'write',
      answer: 'applied',
      records: [{ k: 'wait', id: 'pause-0', at: 1_000, kind: 'pause', until: 61_000 }],
    }))
    run.tick(30_000)
    expect(wait(run, PAUSE)).toMatchObject({ is: 'write' })
    expect(run.tag).toBe('PAUSED.Paused')
    expect(run.context.timers.hold?.due).toBe(61_000)
  })

  test('while another one is in force is refused', () => {
    const run = running()
    wait(run, PAUSE)
    expect(wait(run, { ...PAUSE, id: 'pause-1' })).toMatchObject({ is: 'rejected' })
  })

  test('that was resumed while its host was lost is answered when the replay meets it', () => {
    const run = running()
    wait(run, PAUSE)
    run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
    run.signal('resume', { payload: { v: 'yes' } })
    run.running('w2')
    expect(wait(run, PAUSE)).toEqual({ is: 'known', answer: 'applied' })
    expect(outcome(run, 'pause-0')).toMatchObject({ is: 'done', value: { v: 'yes' } })
  })
})

describe('a suspension', () => {
  test('[prefect 33] hands its input over to the next execution', () => {
    const run = running()
    wait(run, SUSPEND)
    run.flow({ type: 'QUIESCED' })
    run.signal('resume', { payload: { v: { x: 42 } } })
    run.running('w2')
    expect(wait(run, SUSPEND)).toEqual({ is: 'known', answer: 'applied' })
    expect(outcome(run, 'suspend-0')).toMatchObject({ value: { v: { x: 42 } } })
    expect(run.context.runCount).toBe(1)
  })
})

describe('a sleep', () => {
  test('ends at its time and not before', () => {
    const run = running()
    wait(run, SLEEP)
    expect(outcome(run, 'sleep-0')).toBeUndefined()
    expect(run.propose(judgeWaitDue('sleep-0', 5_000))).toEqual({ is: 'wait', retryAfterMs: 6_000 })
    expect(run.propose(judgeWaitDue('sleep-0', 11_000))).toMatchObject({ is: 'write' })
    expect(outcome(run, 'sleep-0')).toEqual({ is: 'done' })
    expect(run.propose(judgeWaitDue('sleep-0', 11_000))).toEqual({ is: 'ignored' })
  })

  test('of no time is over at once', () => {
    const run = running()
    wait(run, { ...SLEEP, forMs: 0 })
    expect(outcome(run, 'sleep-0')).toEqual({ is: 'done' })
  })

  test('that ended while nobody hosted the run is over when the replay meets it', () => {
    const run = running()
    wait(run, SLEEP)
    lost(run.tick(20_000))
    expect(wait(run, SLEEP)).toMatchObject({ is: 'write' })
    expect(outcome(run, 'sleep-0')).toEqual({ is: 'done' })
  })

  test('of a parked run is over in the entry that wakes it, by the clock that armed its timer', () => {
    const run = running()
    run.parked({ until: 11_000 })
    const { token = 0 } = run.context.timers.hold ?? {}
    run.now = 1_500 // the scheduler's clock is behind
    run.flow({ type: 'TIMER.hold', token })
    expect(run.written.map(({ k }) => k)).toEqual(['flow', 'wait-'])
    expect(run.tag).toBe('SCHEDULED.Resuming')
    expect(outcome(run, 'sleep-0')).toEqual({ is: 'done' })
  })
})

describe('a wait for a signal', () => {
  test('expires at its time', () => {
    const run = running()
    wait(run, SIGNAL)
    run.propose(judgeWaitDue('go-0', 11_000))
    expect(outcome(run, 'go-0')).toEqual({ is: 'expired' })
    run.signal('go')
    expect(run.state.inbox).toHaveLength(1)
    expect(outcome(run, 'go-0')).toEqual({ is: 'expired' })
  })

  test('wakes a parked run and is answered in one entry', () => {
    const run = running()
    wait(run, SIGNAL)
    run.flow({ type: 'PARK', until: 11_000, signals: ['go'] })
    run.signal('go', { payload: { v: 1 } })
    expect(run.written.map(({ k }) => k)).toEqual(['flow', 'wait-'])
    expect(run.tag).toBe('SCHEDULED.Resuming')
    expect(run.state.inbox).toEqual([])
    run.running('w2')
    expect(wait(run, SIGNAL)).toEqual({ is: 'known', answer: 'applied' })
  })

  test('a run does not leave its process when the signal has come meanwhile', () => {
    const run = running()
    run.propose(() => ({
      is: 'write',
      answer: 'applied',
      records: [
        { k: 'flow', e: { type: 'SIGNAL', at: 1, name: 'go', by: { channel: 'cli' } }, s: 'RUNNING.Running' },
        { k: 'wait', id: 'go-0', at: 1, kind: 'signal', until: null, signal: 'go' },
      ],
    }))
    expect(run.flow({ type: 'PARK', until: null, signals: ['go'] })).toMatchObject({
      is: 'rejected',
      reason: 'The signal "go" that it would wait for has come.',
    })
    expect(wait(run, { ...SIGNAL, forMs: null })).toMatchObject({ is: 'write' })
    expect(outcome(run, 'go-0')).toMatchObject({ is: 'done' })
  })

  test('gets its signal again after a retry', () => {
    const run = running()
    wait(run, SIGNAL)
    run.signal('go', { payload: { v: 'first' } })
    run.signal('go', { payload: { v: 'second' } })
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 0 })
    expect(run.state.inbox.map(({ payload }) => payload)).toEqual([{ v: 'first' }, { v: 'second' }])
    wait(run, SIGNAL)
    expect(outcome(run, 'go-0')).toMatchObject({ value: { v: 'first' } })
  })
})

test.each<[Request, Request]>([
  [SLEEP, { ...SIGNAL, id: 'sleep-0' }],
  [SIGNAL, { ...SIGNAL, signal: 'other' }],
  [SLEEP, { ...PAUSE, id: 'sleep-0' }],
])('a replay that meets another wait under its identity is told so: %j', (first, second) => {
  const run = running()
  wait(run, first)
  expect(wait(lost(run), second)).toMatchObject({
    is: 'rejected',
    reason: expect.stringContaining("the flow's code has changed"),
  })
})

test.each([PAUSE, SUSPEND, SLEEP, SIGNAL])('a run that is not running begins no wait: $kind', (request) => {
  const run = running()
  run.signal('cancel')
  expect(wait(run, request)).toMatchObject({ is: 'rejected' })
  expect(wait(new TestRun(), request)).toMatchObject({ is: 'rejected' })
})

describe('a child run', () => {
  const child = (run: TestRun, id: string, options: { flow?: string; again?: boolean } = {}) =>
    run.propose(judgeChild({ id: 'c-0', run: id, flow: 'child', ...options }, run.now))

  test('is known under its identity', () => {
    const run = running()
    expect(child(run, 'first')).toMatchObject({ is: 'write' })
    expect(child(lost(run), 'second')).toEqual({ is: 'known', answer: 'applied' })
    expect(run.state.children.get('c-0')).toEqual({ run: 'first', flow: 'child' })
  })

  test('of another flow under its identity is a mismatch', () => {
    const run = running()
    child(run, 'first')
    expect(child(run, 'second', { flow: 'other' })).toMatchObject({ is: 'rejected' })
  })

  test('[prefect 18] [prefect 19] is started again by a retried parent only if that asks for it', () => {
    const run = running()
    child(run, 'first')
    expect(child(run, 'second', { again: true })).toMatchObject({ is: 'known' })
    run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 0 })
    expect(run.state.children.get('c-0')).toEqual({ run: 'first', flow: 'child', earlier: true })
    expect(child(run, 'second')).toMatchObject({ is: 'known' })
    expect(child(run, 'second', { again: true })).toMatchObject({ is: 'write' })
    expect(run.state.children.get('c-0')).toEqual({ run: 'second', flow: 'child' })
  })

  test('is not started by a run that is being cancelled', () => {
    const run = running()
    run.signal('cancel')
    expect(child(run, 'first')).toMatchObject({ is: 'rejected' })
  })
})

test('a recorded value stays the first one, also over a retry', () => {
  const run = running()
  expect(run.propose(judgeValue('now-0', 5))).toMatchObject({ is: 'write' })
  expect(run.propose(judgeValue('now-0', 6))).toMatchObject({ is: 'known' })
  run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 0 })
  expect(run.propose(judgeValue('now-0', 7))).toMatchObject({ is: 'known' })
  expect(run.state.values.get('now-0')).toBe(5)
  run.flow({ type: 'COMPLETE' })
  expect(run.propose(judgeValue('now-1', 7))).toMatchObject({ is: 'rejected' })
})
