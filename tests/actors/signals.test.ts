/** What people and other programs want of a run: which signals are legal where, keys, inputs. */

import { describe, expect, test } from 'vitest'
import { judgeWait, KEPT_ANSWERS, KEPT_SIGNALS, SIGNALS } from './support/room.ts'
import { FLOW_POLICY, TestRun } from './support/run.ts'

const APPROVAL = {
  type: 'object',
  properties: {
    approved: { type: 'boolean' },
    by: { type: 'string', format: 'email' },
    count: { type: 'integer', default: 3 },
  },
  required: ['approved'],
  additionalProperties: false,
} as const

/** A run whose code waits for an input. */
function asking(schema: object = APPROVAL, defaults?: object, kind: 'pause' | 'suspend' = 'pause'): TestRun {
  const run = new TestRun().running()
  const input = JSON.parse(JSON.stringify({ schema, ...(defaults && { defaults }) }))
  run.propose(judgeWait({ id: `${kind}-0`, kind, forMs: 60_000, input }, run.now))
  return run
}

describe('the signals that are legal', () => {
  const retrying = { ...FLOW_POLICY, retries: 1 }
  test.each<[string, readonly string[], () => TestRun]>([
    ['SCHEDULED.Scheduled', ['cancel'], () => new TestRun()],
    ['PENDING.Pending', ['cancel'], () => new TestRun().claimed()],
    ['RUNNING.Running', ['pause', 'suspend', 'cancel'], () => new TestRun().running()],
    [
      'SCHEDULED.AwaitingRetry',
      ['cancel'],
      () => {
        const run = new TestRun({ policy: retrying }).running()
        run.flow({ type: 'FAIL', message: 'no', retryDelayMs: 100 })
        return run
      },
    ],
    [
      'SCHEDULED.AwaitingRecovery',
      ['cancel'],
      () => {
        const run = new TestRun().running()
        run.flow({ type: 'HOST_LOST', epoch: 1, reason: 'gone' })
        return run
      },
    ],
    ['PAUSED.Paused', ['resume', 'cancel'], () => asking()],
    ['PAUSED.Suspended', ['resume', 'cancel'], () => asking(APPROVAL, undefined, 'suspend')],
    ['PAUSED.Sleeping', ['cancel'], () => new TestRun().running().parked({ until: 99_000 })],
    [
      'PAUSED.Waiting',
      ['cancel', 'approval'],
      () => new TestRun().running().parked({ signals: ['approval'] }),
    ],
    [
      'CANCELLING.Cancelling',
      [],
      () => {
        const run = new TestRun().running()
        run.signal('cancel')
        return run
      },
    ],
    [
      'COMPLETED.Completed',
      ['retry'],
      () => {
        const run = new TestRun().running()
        run.flow({ type: 'COMPLETE' })
        return run
      },
    ],
  ])('in %s they are %j, and no other is taken', (tag, legal, make) => {
    expect(make().tag).toBe(tag)
    expect(make().legal).toEqual(legal)
    for (const name of SIGNALS) {
      const payload = { v: { approved: true } }
      expect(make().signal(name, { payload }).is, name).toBe(legal.includes(name) ? 'write' : 'rejected')
    }
  })

  test('an archived run takes none', () => {
    const run = new TestRun()
    run.propose(() => ({
      is: 'write',
      answer: 'applied',
      records: [{ k: 'tombstone', at: 1, s: 'SCHEDULED.Scheduled', by: { channel: 'cli' } }],
    }))
    expect(run.legal).toEqual([])
    expect(run.signal('cancel')).toEqual({ is: 'rejected', reason: 'The flow run is archived.' })
  })
})

describe('a key', () => {
  test('[prefect 57] the same one gets the first answer again, and nothing is written', () => {
    const run = new TestRun().running()
    expect(run.signal('cancel', { key: 'k' })).toMatchObject({ is: 'write', answer: 'accepted' })
    const entries = run.entries.length
    expect(run.signal('cancel', { key: 'k' })).toEqual({ is: 'known', answer: 'accepted' })
    run.flow({ type: 'CANCELLED' })
    expect(run.signal('cancel', { key: 'k' })).toEqual({ is: 'known', answer: 'accepted' })
    expect(run.signal('pause', { key: 'k' })).toEqual({ is: 'known', answer: 'accepted' })
    expect(run.entries).toHaveLength(entries + 1)
  })

  test('[prefect 57] another one is judged anew', () => {
    const run = new TestRun().running()
    run.signal('pause', { key: 'a' })
    expect(run.signal('pause', { key: 'b' })).toMatchObject({ is: 'rejected' })
    run.signal('resume', { key: 'c' })
    expect(run.signal('pause', { key: 'b' })).toMatchObject({ is: 'write' })
  })

  test('a rejected one may be used again', () => {
    const run = asking()
    expect(run.signal('resume', { key: 'k' }).is).toBe('rejected')
    expect(run.signal('resume', { key: 'k', payload: { v: { approved: true } } }).is).toBe('write')
  })

  test('is remembered with the newest ones only', () => {
    const run = new TestRun().running()
    for (let i = 0; i <= KEPT_ANSWERS; i++) run.signal(`s-${i}`, { key: `k-${i}` })
    expect(run.state.answers.size).toBe(KEPT_ANSWERS)
    expect([...run.state.answers.keys()][0]).toBe('k-1')
  })
})

describe('an input', () => {
  test('[prefect 40] that is right is stored with its defaults, and answers the wait', () => {
    const run = asking()
    run.signal('resume', { payload: { v: { approved: true } }, by: { channel: 'slack', principal: 'ada' } })
    expect(run.tag).toBe('RUNNING.Running')
    expect(run.state.waits.get('pause-0')?.outcome).toEqual({
      is: 'done',
      value: { v: { approved: true, count: 3 } },
      by: { channel: 'slack', principal: 'ada' },
    })
    expect(run.written[0]).toMatchObject({ k: 'flow', e: { input: { v: { approved: true, count: 3 } } } })
  })

  test('[prefect 38] that is missing is rejected: still paused, nothing stored', () => {
    const run = asking()
    const entries = run.entries.length
    expect(run.signal('resume')).toEqual({
      is: 'rejected',
      reason: 'The input is not what was asked for.',
      issues: [{ path: 'input.approved', message: 'is missing' }],
    })
    expect(run.tag).toBe('PAUSED.Paused')
    expect(run.entries).toHaveLength(entries)
    expect(run.state.waits.get('pause-0')?.outcome).toBeUndefined()
  })

  test('[prefect 38] that is missing is fine when everything has a default', () => {
    const run = asking({
      type: 'object',
      properties: { n: { type: 'integer', default: 7 } },
      required: ['n'],
    })
    expect(run.signal('resume')).toMatchObject({ is: 'write' })
    expect(run.state.waits.get('pause-0')?.outcome).toMatchObject({ value: { v: { n: 7 } } })
    const given = asking(APPROVAL, { approved: false, count: 1 })
    given.signal('resume', { payload: { v: { count: 2 } } })
    expect(given.state.waits.get('pause-0')?.outcome).toMatchObject({
      value: { v: { approved: false, count: 2 } },
    })
  })

  test('[prefect 39] of wrong types is rejected with every place that is wrong', () => {
    const run = asking()
    expect(
      run.signal('resume', { payload: { v: { approved: 'not a bool!', by: 'nobody', extra: 1 } } }),
    ).toEqual({
      is: 'rejected',
      reason: 'The input is not what was asked for.',
      issues: [
        { path: 'input.extra', message: 'is not asked for' },
        { path: 'input.approved', message: 'must be boolean' },
        { path: 'input.by', message: 'must match format "email"' },
      ],
    })
    expect(run.tag).toBe('PAUSED.Paused')
  })

  test.each([
    { type: 'no-such-type' },
    { $ref: '#/nowhere' },
    { $schema: 'https://example.com/unknown-draft' },
    { properties: 5 },
  ])('[prefect 39] is rejected when the schema itself cannot be used: %j', (schema) => {
    const run = asking(schema)
    expect(run.signal('resume', { payload: { v: {} } })).toMatchObject({
      is: 'rejected',
      reason: expect.stringMatching(/^The schema of the input cannot be used: /),
    })
    expect(run.tag).toBe('PAUSED.Paused')
  })

  test('two schemas of the same $id do not meet', () => {
    const schema = (type: string) => ({ $id: 'https://example.com/input', type })
    expect(asking(schema('string')).signal('resume', { payload: { v: 'x' } })).toMatchObject({ is: 'write' })
    expect(asking(schema('integer')).signal('resume', { payload: { v: 5 } })).toMatchObject({ is: 'write' })
    expect(asking(schema('string')).signal('resume', { payload: { v: 5 } })).toMatchObject({ is: 'rejected' })
  })

  test('that lies in the object store cannot be checked, and is rejected', () => {
    expect(asking().signal('resume', { payload: { object: 'values.x', bytes: 90_000 } })).toMatchObject({
      is: 'rejected',
      issues: [{ path: 'input', message: 'has 90000 bytes' }],
    })
  })

  test('leaves what was asked for, and what was given, as they were', () => {
    const defaults = { nested: {} }
    const schema = { type: 'object', properties: { nested: { properties: { n: { default: 1 } } } } }
    const given = { v: { nested: {} } }
    const run = asking(schema, defaults)
    run.signal('resume', { payload: given })
    expect(run.state.waits.get('pause-0')?.outcome).toMatchObject({ value: { v: { nested: { n: 1 } } } })
    expect(given).toEqual({ v: { nested: {} } })
    expect(run.state.waits.get('pause-0')?.record.input).toEqual({ schema, defaults: { nested: {} } })
  })

  test('that nobody asked for is handed over as it is', () => {
    const run = new TestRun().running()
    run.propose(judgeWait({ id: 'pause-0', kind: 'pause', forMs: null }, run.now))
    run.signal('resume', { payload: { v: 'whatever' } })
    expect(run.state.waits.get('pause-0')?.outcome).toMatchObject({ value: { v: 'whatever' } })
  })

  test('keeps the names of deep places, also odd ones', () => {
    const run = asking({
      type: 'object',
      properties: {
        'a/b': { type: 'array', items: { type: 'object', properties: { '~x': { type: 'null' } } } },
      },
    })
    expect(run.signal('resume', { payload: { v: { 'a/b': [{}, { '~x': 1 }] } } })).toMatchObject({
      issues: [{ path: 'input.a/b.1.~x', message: 'must be null' }],
    })
  })
})

describe('a named signal', () => {
  const waiting = (run = new TestRun().running()) => {
    run.propose(
      judgeWait(
        { id: 'approval-0', kind: 'signal', signal: 'approval', forMs: 60_000, input: { schema: APPROVAL } },
        run.now,
      ),
    )
    return run
  }

  test('answers the wait that is open, in one entry', () => {
    const run = waiting()
    run.signal('approval', { payload: { v: { approved: false } } })
    expect(run.written.map(({ k }) => k)).toEqual(['flow', 'wait-'])
    expect(run.state.waits.get('approval-0')?.outcome).toMatchObject({
      is: 'done',
      value: { v: { approved: false } },
    })
    expect(run.state.inbox).toEqual([])
  })

  test('with a wrong payload is rejected, and nothing is kept', () => {
    const run = waiting()
    expect(run.signal('approval', { payload: { v: {} } })).toMatchObject({
      is: 'rejected',
      issues: [{ path: 'input.approved', message: 'is missing' }],
    })
    expect(run.state.inbox).toEqual([])
  })

  test('before the wait is kept and answers it', () => {
    const run = new TestRun().running()
    run.signal('approval', { payload: { v: { approved: true } } })
    waiting(run)
    expect(run.state.waits.get('approval-0')?.outcome).toMatchObject({ value: { v: { approved: true } } })
    expect(run.state.inbox).toEqual([])
  })

  test('before the wait, with a payload that is not what it asks for, does not answer it', () => {
    const run = new TestRun().running()
    run.signal('approval', { payload: { v: 'nonsense' } })
    run.signal('approval', { payload: { v: { approved: true } } })
    waiting(run)
    expect(run.state.waits.get('approval-0')?.outcome).toMatchObject({ value: { v: { approved: true } } })
    expect(run.state.inbox).toMatchObject([{ name: 'approval', payload: { v: 'nonsense' } }])
  })

  test('answers one wait, the oldest', () => {
    const run = new TestRun().running()
    for (const id of ['a-0', 'a-1'])
      run.propose(judgeWait({ id, kind: 'signal', signal: 'a', forMs: null }, run.now))
    run.signal('a', { payload: { v: 1 } })
    expect([...run.state.waits.values()].map(({ outcome }) => outcome?.is)).toEqual(['done', undefined])
    run.signal('a', { payload: { v: 2 } })
    expect(run.state.waits.get('a-1')?.outcome).toMatchObject({ value: { v: 2 } })
  })

  test('of any name is taken while the run has not ended, and no more once it has', () => {
    const run = new TestRun()
    expect(run.signal('toString')).toMatchObject({ is: 'write' })
    expect(run.signal('Unicode ✂ names')).toMatchObject({ is: 'write' })
    run.signal('cancel')
    expect(run.signal('approval')).toEqual({
      is: 'rejected',
      reason: 'The flow run has ended: it is Cancelled.',
    })
  })

  test('is refused when too many are kept', () => {
    const run = new TestRun().running()
    for (let i = 0; i < KEPT_SIGNALS; i++) run.signal('a', { key: `k${i}` })
    expect(run.signal('a', { key: 'one more' })).toMatchObject({ is: 'rejected' })
    expect(run.state.inbox).toHaveLength(KEPT_SIGNALS)
  })
})

describe('a parent', () => {
  const BY = { channel: 'parent' }

  test('resumes what it paused', () => {
    const run = new TestRun().running()
    run.signal('pause', { by: BY })
    expect(run.signal('resume', { by: BY })).toMatchObject({ is: 'write' })
  })

  test('does not resume what somebody else paused, or the code itself', () => {
    const run = new TestRun().running()
    run.signal('pause')
    expect(run.signal('resume', { by: BY })).toEqual({
      is: 'rejected',
      reason: 'The flow run was paused by cli; its parent cannot resume it.',
    })
    const asks = new TestRun().running()
    asks.propose(judgeWait({ id: 'pause-0', kind: 'pause', forMs: null }, asks.now))
    expect(asks.signal('resume', { by: BY })).toMatchObject({ is: 'rejected' })
  })

  test('passes on what came from outside, and nothing of what its code does for itself', () => {
    const run = new TestRun().running()
    run.propose(() => ({
      is: 'write',
      answer: 'applied',
      records: [{ k: 'child', id: 'c-0', at: 1, run: 'other', flow: 'f' }],
    }))
    const told = () => run.effects.flatMap((effect) => (effect.do === 'tell-children' ? [effect.signal] : []))
    run.signal('pause')
    expect(told()).toEqual(['pause'])
    run.signal('resume')
    expect(told()).toEqual(['resume'])
    run.propose(judgeWait({ id: 'pause-0', kind: 'pause', forMs: null }, run.now))
    expect(told()).toEqual([])
    run.signal('resume')
    expect(told()).toEqual([])
    run.signal('suspend')
    expect(told()).toEqual(['suspend'])
  })
})
