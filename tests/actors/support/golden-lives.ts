/** Lives of runs whose logs are kept for ever. Between them every record and every event stands in a log. */

import { live, type Move } from './random-life.ts'
import { judgeChild, judgeValue, judgeWait, type RunState } from './room.ts'
import { FLOW_POLICY, TASK_POLICY, TestRun } from './run.ts'

const SCHEMA = {
  type: 'object',
  properties: { approved: { type: 'boolean' }, count: { type: 'integer', default: 3 } },
  required: ['approved'],
} as const

export const GOLDEN_LIVES: Readonly<Record<string, () => TestRun>> = {
  'completes-with-tasks': () => {
    const run = new TestRun({
      tags: ['nightly'],
      idempotencyKey: 'k',
      deployment: 'd',
      flowVersion: '1',
    }).running()
    run.call('fetch-0', { inputs: 'hash', name: 'fetch Oslo', tags: ['x'] })
    run.task('fetch-0', { type: 'START' })
    run.tick(5).task('fetch-0', { type: 'COMPLETE', result: { v: { degrees: -3 } } })
    run.call('store-0', { upstream: ['fetch-0'], limits: ['db'] })
    run.task('store-0', { type: 'SLOT_WAIT', limits: ['db'] })
    run.task('store-0', { type: 'START' })
    run.task('store-0', {
      type: 'COMPLETE',
      name: 'Wise',
      message: 'done',
      result: { object: 'values.x', bytes: 9 },
    })
    run.task('store-0', { type: 'ROLL_BACK', message: 'the transaction failed' })
    run.call('cached-0', { instead: { is: 'cached', cacheKey: 'k', result: { v: 2 } } })
    run.call('skipped-0', { instead: { is: 'skip', message: 'not today' } })
    run.call('late-0', { instead: { is: 'not-ready', message: 'fetch-1 failed' } })
    run.call('picky-0', { instead: { is: 'trigger-failed', message: 'none failed' } })
    run.call('manual-0', { instead: { is: 'hold' } })
    run.task('manual-0', { type: 'RESUME', by: { channel: 'cli' } })
    run.propose(judgeValue('now-0', 1_005))
    run.propose(judgeChild({ id: 'child-0', run: 'other', flow: 'child' }, run.now))
    run.propose(() => ({
      is: 'write',
      answer: 'applied',
      records: [
        { k: 'note', at: run.now, kind: 'artifact', task: 'fetch-0', data: { title: 'Oslo' } },
        { k: 'poison', at: run.now, event: { type: 'X' }, error: 'broke' },
        { k: 'snapshot', rev: 3, object: 'snapshots.x.3', bytes: 5 },
      ],
    }))
    run.tick(5).flow({ type: 'COMPLETE', result: { v: 'ok' } })
    return run
  },
  'fails-after-retries': () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, retries: 2 } }).running()
    run.call('t-0', { policy: { ...TASK_POLICY, retries: 2 } })
    run.task('t-0', { type: 'START' })
    run.task('t-0', { type: 'FAIL', message: 'no', retryDelayMs: 0 })
    run.task('t-0', { type: 'FAIL', message: 'no', retryDelayMs: 100, failure: { name: 'E', message: 'no' } })
    run.fireTask('t-0')
    run.task('t-0', { type: 'FAIL', message: 'late', name: 'TimedOut', retryDelayMs: 0 })
    run.flow({ type: 'FAIL', message: 't-0 failed', retryDelayMs: 0 })
    run.flow({ type: 'FAIL', message: 'again', retryDelayMs: 1_000 })
    run.fire('TIMER.retry')
    run.call('u-0')
    run.task('u-0', { type: 'START' })
    run.task('u-0', { type: 'CRASH', message: 'interrupted' })
    run.flow({
      type: 'FAIL',
      message: 'for good',
      retryDelayMs: 0,
      failure: { name: 'E', message: 'for good' },
    })
    return run
  },
  'is-denied-its-slots': () => {
    const run = new TestRun().running()
    run.call('t-0', { limits: ['db'] })
    run.task('t-0', { type: 'SLOT_WAIT', limits: ['db'] })
    run.task('t-0', {
      type: 'DENIED',
      message: 'too late',
      failure: { name: 'CallboardError', code: 'CB_E_TIMEOUT', message: 'too late' },
    })
    run.flow({ type: 'COMPLETE' })
    return run
  },
  'waits-in-every-way': () => {
    const run = new TestRun({ scheduledTime: 5_000 })
    run.fire('TIMER.start')
    run.running()
    const input = { schema: SCHEMA, description: 'Approve?' }
    run.propose(judgeWait({ id: 'pause-0', kind: 'pause', forMs: 60_000, input, message: 'look' }, run.now))
    run.flow({ type: 'QUIESCED' })
    run.signal('resume', { payload: { v: { approved: true } }, message: 'fine' })
    run.propose(judgeWait({ id: 'suspend-0', kind: 'suspend', forMs: null }, run.now))
    run.flow({ type: 'QUIESCED' })
    run.signal('resume')
    run.running('w2').parked({ until: run.now + 50_000 })
    run.fire('TIMER.hold')
    run.running('w3').parked({ signals: ['approval'] })
    run.signal('noise')
    run.signal('approval', {
      payload: { v: 'yes' },
      by: { channel: 'slack', principal: 'ada', address: '#ops' },
    })
    run.running('w4')
    run.signal('pause', { timeoutMs: 10_000 })
    run.fire('TIMER.hold')
    return run
  },
  'is-recovered-and-crashes': () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, maxRecoveries: 1 } }).running()
    run.call('t-0')
    run.task('t-0', { type: 'START' })
    run.flow({ type: 'RELEASE', epoch: 1 })
    run.running('w2').call('t-0')
    run.task('t-0', { type: 'START' })
    run.signal('pause')
    run.flow({ type: 'HOST_LOST', epoch: 2, reason: 'lease lapsed' })
    run.running('w3')
    run.flow({ type: 'HOST_LOST', epoch: 3, reason: 'exit 137' })
    return run
  },
  'is-cancelled-and-tried-again': () => {
    const run = new TestRun({ policy: { ...FLOW_POLICY, limits: ['db'], timeoutMs: 9_000 } })
    run.fire('TIMER.late')
    run.claimed().flow({ type: 'SLOT_WAIT', limits: ['db'] })
    run.flow({ type: 'SLOT_GRANTED' })
    run.running()
    for (const id of ['a-0', 'a-1', 'a-2']) run.call(id)
    run.task('a-0', { type: 'START' })
    run.task('a-1', { type: 'START' })
    run.task('a-1', { type: 'CANCEL', message: 'not needed' })
    run.signal('cancel', { graceMs: 500, message: 'wrong city' })
    run.fire('TIMER.grace')
    run.signal('retry')
    run.running('w2')
    run.fire('TIMER.timeout')
    return run
  },
  'is-archived': () => {
    const run = new TestRun().running()
    run.signal('cancel')
    run.flow({ type: 'CANCELLED', abandoned: true })
    run.signal('retry')
    run.running('w2').flow({ type: 'ABANDON', name: 'Withdrawn', message: 'no' })
    run.propose(() => ({
      is: 'write',
      answer: 'applied',
      records: [{ k: 'tombstone', at: run.now, s: run.state.flow.tag, by: { channel: 'cli' } }],
    }))
    return run
  },
  'wild-1': () => wild(1),
  'wild-2': () => wild(2),
  'wild-3': () => wild(3),
}

function wild(seed: number): TestRun {
  const run = new TestRun({ policy: { ...FLOW_POLICY, retries: 3, timeoutMs: 60_000, limits: ['db'] } })
  let state = seed
  const draw = (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state >>> 8) % limit
  }
  for (let i = 0; i < 150; i++) {
    const move: Move = [draw(100), draw(100_000), draw(3_000)]
    live(run, move)
  }
  return run
}

/** What must come out of a log, for ever: said in words that do not change with the code. */
export function outcomeOf(state: RunState) {
  return {
    state: state.state,
    result: state.result ?? null,
    failure: state.failure ?? null,
    flow: state.flow,
    tasks: [...state.tasks.values()].map(({ id, snapshot, result, failure }) => ({
      id,
      ...snapshot,
      result: result ?? null,
      failure: failure ?? null,
    })),
    waits: [...state.waits.values()].map(({ record, outcome }) => [record.id, outcome ?? null]),
    inbox: state.inbox,
    children: [...state.children],
    values: [...state.values],
    answers: [...state.answers],
    archived: state.archived,
  }
}
