import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type Answer,
  type FlowEvent,
  type Judge,
  judgeFlow,
  judgeSignal,
  judgeTask,
  judgeTaskCall,
  openRun,
  RunLog,
  type RunLogOptions,
  type RunRecord,
} from '../../src/actors/index.ts'
import { LazyFlusher } from '../../src/actors/lazy-flusher.ts'
import { LIMITS } from '../../src/broker/index.ts'
import { CallboardError, isCallboardError } from '../../src/core/index.ts'
import { type HostStage, type Machine, ME, makeHostStage } from './support/host-stage.ts'

let stage: HostStage
let run: string

beforeEach(async () => {
  stage = await makeHostStage()
  run = await stage.create()
})
afterEach(() => stage.close())

async function openLog(on: Machine = stage.home, options: RunLogOptions = {}): Promise<RunLog> {
  const state = await stage.drive(openRun(on.broker, on.deps, run))
  if (state === undefined) throw new Error('The run is not there.')
  return new RunLog(on.broker, on.deps, state, options)
}

const note =
  (kind: string): Judge =>
  () => ({
    is: 'write',
    answer: 'applied',
    records: [{ k: 'note', at: 0, kind, data: {} }],
  })

const signal = (name: string, key: string): Judge => judgeSignal({ name, key, by: ME }, stage.clock.now())

const flow = (event: Omit<Extract<FlowEvent, { type: 'CLAIM' }>, 'at'>): Judge =>
  judgeFlow({ ...event, at: stage.clock.now() })

/** The run, claimed and RUNNING by `worker`, in a log that hosts it. */
async function hostedLog(
  worker: string,
  on: Machine = stage.home,
  options: RunLogOptions = {},
): Promise<RunLog> {
  const log = await openLog(on, { ...options, worker })
  await stage.drive(log.propose(flow({ type: 'CLAIM', worker })))
  log.own(log.state.flow.context.epoch)
  await stage.drive(log.propose(judgeFlow({ type: 'START', at: stage.clock.now() })))
  return log
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const outcome = await stage.drive(
    promise.then(
      () => 'fulfilled',
      (error) => (isCallboardError(error) ? error.code : String(error)),
    ),
  )
  return outcome
}

const kindsOf = (records: readonly RunRecord[]): string[] =>
  records.flatMap((record) => (record.k === 'note' ? [record.kind] : []))

describe('the log of an opened run', () => {
  it('writes what is proposed in one turn as one entry, and what comes meanwhile as the next', async () => {
    const log = await openLog()
    const first = [1, 2, 3].map((n) => log.propose(note(`a${n}`)))
    await Promise.resolve()
    await Promise.resolve()
    const second = [1, 2, 3].map((n) => log.propose(note(`b${n}`)))
    const answers = await stage.drive(Promise.all([...first, ...second]))
    expect(answers.map((answer) => 'rev' in answer && answer.rev)).toEqual([2, 2, 2, 3, 3, 3])
    expect(kindsOf(await stage.recordsOf(run))).toEqual(['a1', 'a2', 'a3', 'b1', 'b2', 'b3'])
    await stage.drive(log.close())
  })

  it('begins a new entry where one would become too large', async () => {
    const log = await openLog()
    const big = 'x'.repeat(LIMITS.record - 1_000)
    const all = Array.from({ length: 20 }, () =>
      log.propose(() => ({
        is: 'write',
        answer: 'applied',
        records: [{ k: 'note', at: 0, kind: 'big', data: { big } }],
      })),
    )
    await stage.drive(Promise.all(all))
    expect(await stage.entriesOf(run)).toBe(
      1 + Math.ceil(20 / Math.floor(LIMITS.batch / (LIMITS.record - 900))),
    )
    await stage.drive(log.close())
  })

  it('answers only when what the answer rests upon is in the log', async () => {
    const machine = await stage.machine('slow', {
      plan: { rules: [{ operation: 'log.append', fault: 'delay', nth: 1 }], longestDelayMs: 1_000 },
    })
    const log = await openLog(machine)
    const answered: string[] = []
    const ask = (name: string, judge: Judge) =>
      log.propose(judge).then(({ outcome }) => answered.push(`${name} ${outcome}`))
    const all = [
      ask('cancel', signal('cancel', 'c')),
      ask('again', signal('cancel', 'c')),
      ask('pause', signal('pause', 'p')),
    ]
    expect(log.state.flow.tag).toBe('CANCELLED.Cancelled')
    await stage.clock.settle()
    expect(answered).toEqual([])
    await stage.drive(Promise.all(all))
    expect(answered).toEqual(['cancel applied', 'again applied', 'pause rejected'])
    await stage.drive(log.close())
  })

  it('[scenario 1] judges again, in order, when somebody else has written first', async () => {
    const log = await openLog()
    await stage.signal(run, 'cancel')
    const seen: string[] = []
    const asked = (name: string, judge: Judge) =>
      log.propose((state) => {
        seen.push(`${name} at ${state.flow.tag}`)
        return judge(state)
      })
    const all = [
      asked('note', note('first')),
      asked('retry', signal('retry', 'r')),
      asked('note', note('last')),
    ]
    const answers = await stage.drive(Promise.all(all))
    expect(seen).toEqual([
      'note at SCHEDULED.Scheduled',
      'retry at SCHEDULED.Scheduled',
      'note at SCHEDULED.Scheduled',
      'note at CANCELLED.Cancelled',
      'retry at CANCELLED.Cancelled',
      'note at SCHEDULED.Scheduled',
    ])
    expect(answers.map(({ outcome }) => outcome)).toEqual(['applied', 'applied', 'applied'])
    await stage.drive(log.close())
  })

  it('does not reject on the strength of something that was then not written', async () => {
    const worker = await hostedLog('one')
    const other = await openLog()
    // Judged after a cancel that meets a conflict: by then the run is only paused.
    await stage.drive(worker.propose(signal('pause', 'p')))
    const tooLate = other.propose((state) =>
      state.flow.tag === 'PAUSED.Paused'
        ? { is: 'ignored' }
        : judgeFlow({ type: 'CRASH', at: 0, message: 'x' })(state),
    )
    const rejected = other.propose(signal('resume', 'r'))
    expect(other.state.flow.tag).toBe('CRASHED.Crashed')
    const answers = await stage.drive(Promise.all([tooLate, rejected]))
    expect(answers.map(({ outcome }) => outcome)).toEqual(['ignored', 'applied'])
    await stage.drive(Promise.all([worker.close(), other.close()]))
  })

  it('[scenario 2] lets 32 writers say 20 things each, losing none and leaving no gap', async () => {
    const logs = []
    for (let i = 0; i < 32; i++) logs.push(await openLog())
    await stage.drive(
      Promise.all(
        logs.map(async (log, writer) => {
          for (let n = 0; n < 20; n++) await log.propose(note(`${writer}/${n}`))
          await log.close()
        }),
      ),
    )
    const kinds = kindsOf(await stage.recordsOf(run))
    expect(new Set(kinds).size).toBe(640)
    expect(kinds).toHaveLength(640)
    for (let writer = 0; writer < 32; writer++)
      expect(kinds.filter((kind) => kind.startsWith(`${writer}/`))).toEqual(
        Array.from({ length: 20 }, (_, n) => `${writer}/${n}`),
      )
  })

  it('gives up after as many conflicts in a row as it was told, having written nothing', async () => {
    const log = await openLog(stage.home, { maxConflicts: 0 })
    await stage.signal(run, 'cancel')
    expect(await codeOf(log.propose(note('never')))).toBe('CB_E_CONTENDED')
    expect(kindsOf(await stage.recordsOf(run))).toEqual([])
  })

  it('says that a run archived meanwhile is missing', async () => {
    const log = await openLog()
    const { rev } = log
    await stage.drive(stage.home.broker.log.archive(run, [], { expect: rev }))
    expect(await stage.drive(log.propose(note('never')))).toEqual({ outcome: 'missing' })
    expect(log.ended).toBe(true)
  })
})

describe('an answer that was lost on the way', () => {
  for (const fault of ['lose-after', 'lose-before'] as const)
    it(`[scenario 3] is found out, and the entry is written once (${fault})`, async () => {
      const machine = await stage.machine('deaf', {
        plan: { rules: [{ operation: 'log.append', fault, nth: 1 }], settleMs: 200 },
      })
      const log = await openLog(machine, { outlasts: true })
      const answer = await stage.drive(log.propose(note('once')))
      expect(answer.outcome).toBe('applied')
      expect(kindsOf(await stage.recordsOf(run))).toEqual(['once'])
      await stage.drive(log.close())
    })

  it('[scenario 34] waits for as long as the broker is away, and then everything goes through', async () => {
    const machine = await stage.machine('away', { plan: { settleMs: 1_000 } })
    const log = await openLog(machine, { outlasts: true })
    machine.broker.cut(60_000)
    const answers = Array.from({ length: 100 }, (_, n) => log.propose(note(`n${n}`)))
    await stage.clock.advance(59_000)
    expect(kindsOf(await stage.recordsOf(run))).toEqual([])
    await stage.drive(Promise.all(answers))
    expect(kindsOf(await stage.recordsOf(run))).toHaveLength(100)
    await stage.drive(log.close())
  })

  it('is an error for an owner that does not outlast the broker, and the same again is safe', async () => {
    const machine = await stage.machine('client', {
      plan: { rules: [{ operation: 'log.append', fault: 'lose-after', nth: 1 }], settleMs: 200 },
    })
    const log = await openLog(machine)
    expect(await codeOf(log.propose(signal('cancel', 'once')))).toBe('CB_E_BROKER_UNAVAILABLE')
    expect(log.ended).toBe(true)
    expect(await stage.signal(run, 'cancel', { key: 'once' })).toMatchObject({ outcome: 'applied' })
    expect((await stage.historyOf(run)).filter((line) => line.startsWith('CANCEL'))).toHaveLength(1)
  })
})

describe('fencing', () => {
  it('stops an owner whose run was claimed by another, and writes nothing of his', async () => {
    const ended: CallboardError[] = []
    const zombie = await hostedLog('zombie', stage.home, {
      listener: { ended: (error) => ended.push(error) },
    })
    const lost = judgeFlow({ type: 'HOST_LOST', at: 0, epoch: 1, reason: 'its lease ran out' })
    const other = await openLog()
    await stage.drive(other.propose(lost))
    await stage.drive(other.close())
    await stage.drive((await hostedLog('next')).close())
    const late = Promise.allSettled([zombie.propose(note('late')), zombie.propose(note('later'))])
    expect(await stage.drive(late)).toMatchObject([
      { reason: { code: 'CB_E_FENCED' } },
      { reason: { code: 'CB_E_FENCED' } },
    ])
    expect(ended.map(({ code }) => code)).toEqual(['CB_E_FENCED'])
    expect(await codeOf(zombie.propose(note('last')))).toBe('CB_E_FENCED')
    expect(kindsOf(await stage.recordsOf(run))).toEqual([])
  })

  it('stops an owner who was taken for lost, also before anybody has claimed the run', async () => {
    const zombie = await hostedLog('zombie')
    await stage.drive(
      (await openLog()).propose(judgeFlow({ type: 'HOST_LOST', at: 0, epoch: 1, reason: 'silent' })),
    )
    await stage.drive(zombie.refresh())
    expect(zombie.ended).toBe(true)
  })

  it('is found out by an owner who asks while an entry of his is on its way', async () => {
    const machine = await stage.machine('slow', {
      plan: { rules: [{ operation: 'log.append', fault: 'lose-before', nth: 3 }], settleMs: 5_000 },
    })
    const zombie = await hostedLog('zombie', machine, { outlasts: true })
    const late = zombie.propose(note('late')).catch((error) => error)
    await stage.clock.settle()
    const asked = zombie.refresh().then(() => zombie.ended)
    const other = await openLog()
    await stage.drive(other.propose(judgeFlow({ type: 'HOST_LOST', at: 0, epoch: 1, reason: 'silent' })))
    expect(await stage.drive(asked)).toBe(true)
    expect(await late).toMatchObject({ code: 'CB_E_FENCED' })
  })

  it('does not stop an owner because somebody else had something to say', async () => {
    const log = await hostedLog('one')
    await stage.drive((await openLog()).propose(signal('hello', 'h')))
    expect((await stage.drive(log.propose(note('mine')))).outcome).toBe('applied')
    await stage.drive(log.close())
  })

  it('marks what a host writes with its epoch, and nothing else', async () => {
    const log = await hostedLog('one')
    await stage.signal(run, 'hello')
    await stage.drive(log.propose(note('mine')))
    const heads = (await stage.recordsOf(run)).flatMap((record) =>
      record.k === 'head' ? [record.epoch] : [],
    )
    expect(heads).toEqual([undefined, 1, 1, undefined, 1])
    await stage.drive(log.close())
  })
})

describe('what waits to be written', () => {
  const large: Judge = () => ({
    is: 'write',
    answer: 'applied',
    records: [{ k: 'note', at: 0, kind: 'large', data: { text: 'x'.repeat(40_000) } }],
  })

  it('is bounded: beyond that a proposal is told to come again', async () => {
    const log = await openLog(stage.home, { maxWaitingBytes: 100_000 })
    const settled = Promise.all([1, 2, 3].map(() => log.propose(large)))
    expect(await codeOf(log.propose(large))).toBe('CB_E_BUSY')
    await stage.drive(settled)
    expect((await stage.drive(log.propose(large))).outcome).toBe('applied')
    await stage.drive(log.close())
  })

  it('is bounded in number as well', async () => {
    const log = await openLog(stage.home, { maxUnanswered: 3 })
    const settled = Promise.all([1, 2, 3].map((n) => log.propose(note(`n${n}`))))
    expect(await codeOf(log.propose(note('n4')))).toBe('CB_E_BUSY')
    await stage.drive(settled)
    await stage.drive(log.close())
  })

  it('lets a patient proposal wait for its turn, in order', async () => {
    const log = await openLog(stage.home, { maxWaitingBytes: 50_000 })
    const judged: number[] = []
    const answers = Array.from({ length: 10 }, (_, n) =>
      log.propose(
        (state) => {
          judged.push(n)
          return large(state)
        },
        { patient: true },
      ),
    )
    expect(judged).toEqual([0, 1])
    await stage.drive(Promise.all(answers))
    expect(judged).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    await stage.drive(log.close())
  })
})

describe('what is refused', () => {
  it('[scenario 8] is a record that is too large, and the run goes on as it was', async () => {
    const log = await openLog()
    const tooLarge: Judge = () => ({
      is: 'write',
      answer: 'applied',
      records: [{ k: 'note', at: 0, kind: 'huge', data: { text: 'x'.repeat(LIMITS.record) } }],
    })
    const [before, refused, after] = [
      log.propose(note('before')),
      codeOf(log.propose(tooLarge)),
      log.propose(note('after')),
    ]
    expect(await refused).toBe('CB_E_PAYLOAD_TOO_LARGE')
    await stage.drive(Promise.all([before, after]))
    expect(kindsOf(await stage.recordsOf(run))).toEqual(['before', 'after'])
    await stage.drive(log.close())
  })

  it('is a proposal that no entry can hold', async () => {
    const log = await openLog()
    const data = { text: 'x'.repeat(60_000) }
    const tooMany: Judge = () => ({
      is: 'write',
      answer: 'applied',
      records: Array.from({ length: 9 }, () => ({ k: 'note', at: 0, kind: 'many', data })),
    })
    expect(await codeOf(log.propose(tooMany))).toBe('CB_E_PAYLOAD_TOO_LARGE')
    expect(await stage.entriesOf(run)).toBe(1)
    await stage.drive(log.close())
  })

  it('is what a judge throws at, for its proposer alone', async () => {
    const log = await openLog()
    const broken = log.propose(() => {
      throw new CallboardError('CB_E_BUG', 'a judge that throws')
    })
    const fine = log.propose(note('fine'))
    expect(await codeOf(broken)).toBe('CB_E_BUG')
    expect((await stage.drive(fine)).outcome).toBe('applied')
    await stage.drive(log.close())
  })
})

describe('a lazy proposal', () => {
  it('rides with the next entry', async () => {
    const flusher = new LazyFlusher(stage.home.clock)
    const log = await openLog(stage.home, { flusher })
    const lazy = log.propose(note('lazy'), { lazy: true })
    await stage.clock.settle()
    expect(await stage.entriesOf(run)).toBe(1)
    await stage.drive(log.propose(note('eager')))
    await stage.drive(lazy)
    expect(await stage.entriesOf(run)).toBe(2)
    expect(kindsOf(await stage.recordsOf(run))).toEqual(['lazy', 'eager'])
    await stage.drive(log.close())
    flusher.stop()
  })

  it('is written by itself after a moment, by one timer for all runs', async () => {
    const flusher = new LazyFlusher(stage.home.clock)
    const log = await openLog(stage.home, { flusher })
    await stage.drive(log.propose(note('lazy'), { lazy: true }))
    expect(kindsOf(await stage.recordsOf(run))).toEqual(['lazy'])
    await stage.drive(log.close())
    flusher.stop()
  })

  it('is written when the log is closed', async () => {
    const flusher = new LazyFlusher(stage.home.clock)
    const log = await openLog(stage.home, { flusher })
    const answer = log.propose(note('lazy'), { lazy: true })
    await stage.drive(log.close())
    expect((await stage.drive(answer)).outcome).toBe('applied')
    flusher.stop()
  })
})

describe('closing', () => {
  it('waits for what was proposed, then takes nothing more', async () => {
    const log = await openLog()
    const answers: Promise<Answer>[] = [log.propose(note('a')), log.propose(note('b'))]
    await stage.drive(log.close())
    expect((await Promise.all(answers)).map(({ outcome }) => outcome)).toEqual(['applied', 'applied'])
    expect(await codeOf(log.propose(note('c')))).toBe('CB_E_STOPPED')
  })

  it('does not wait when the owner abandons it: what is unanswered fails', async () => {
    const log = await openLog()
    const answer = codeOf(log.propose(note('a')))
    log.abandon(new CallboardError('CB_E_FENCED', 'enough'))
    expect(await answer).toBe('CB_E_FENCED')
  })
})

describe('tasks of a run', () => {
  it('are written 10,000 at a time in a handful of entries', async () => {
    const log = await hostedLog('one')
    const at = stage.clock.now()
    const answers: Promise<Answer>[] = []
    for (let n = 0; n < 10_000; n++) {
      const id = `t-${n}`
      const call = { id, task: 't', policy: { retries: 0, timeoutMs: null } }
      answers.push(log.propose(judgeTaskCall(call, at), { patient: true }))
      answers.push(log.propose(judgeTask(id, { type: 'START', at }), { patient: true }))
      answers.push(log.propose(judgeTask(id, { type: 'COMPLETE', at }), { patient: true }))
    }
    await stage.drive(Promise.all(answers))
    expect(await stage.entriesOf(run)).toBeLessThan(20)
    const state = await stage.stateOf(run)
    expect(state.tasks.size).toBe(10_000)
    expect([...state.tasks.values()].every(({ snapshot }) => snapshot.tag === 'COMPLETED.Completed')).toBe(
      true,
    )
    await stage.drive(log.close())
  })
})
