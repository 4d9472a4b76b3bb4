import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Program, resumeTask, runAddress, sendSignal } from '../../src/actors/index.ts'
import { LIMITS } from '../../src/broker/index.ts'
import { type HostStage, ME, makeHostStage } from './support/host-stage.ts'

let stage: HostStage
beforeEach(async () => {
  stage = await makeHostStage()
})
afterEach(() => stage.close())

const waits: Program = (r) => r.waitForSignal('go')

describe('a signal', () => {
  it('to a run that nobody hosts is applied by its sender', async () => {
    const run = await stage.create()
    const before = stage.clock.now()
    expect(await stage.signal(run, 'go')).toMatchObject({ outcome: 'applied', rev: 2 })
    expect(stage.clock.now() - before).toBe(0)
  })

  it('to a hosted run is applied by its host', async () => {
    const one = await stage.host('one', { flow: waits })
    const run = await stage.begin(one)
    await stage.signal(run, 'go')
    const epochs = (await stage.recordsOf(run)).flatMap((record) =>
      record.k === 'head' ? [record.epoch] : [],
    )
    expect(epochs.every((epoch) => epoch === 1)).toBe(true)
  })

  it('leaves the same history when nobody is said to be home, though somebody is', async () => {
    const histories: unknown[] = []
    for (const fault of ['deny', 'lose-after', 'lose-before', 'double'] as const) {
      const one = await stage.host(`host-${fault}`, { flow: waits })
      const sender = await stage.machine(`sender-${fault}`, {
        plan: { rules: [{ operation: 'bus.request', fault, nth: 1 }] },
      })
      const run = await stage.begin(one)
      await stage.clock.advance(1_000)
      const answer = await stage.drive(
        sendSignal(sender.broker, sender.deps, run, { name: 'go', key: 'k', by: ME, payload: { v: 1 } }),
      )
      expect(answer).toMatchObject({ outcome: 'applied' })
      await stage.untilTag(run, 'COMPLETED.Completed', 2_000)
      histories.push(await stage.historyOf(run))
    }
    expect(histories[0]).toContain('SIGNAL RUNNING.Running')
    for (const history of histories) expect(history).toEqual(histories[0])
  })

  it('to a frozen host takes a second, and the host finds it when it wakes', async () => {
    const one = await stage.host('one', { flow: waits })
    const run = await stage.begin(one)
    await stage.clock.advance(500)
    one.clock.freeze()
    const silent = await stage.machine('silent', {
      plan: { rules: [{ operation: 'bus.request', fault: 'lose-before', nth: 1 }], silenceMs: 1_000 },
    })
    const before = stage.clock.now()
    await stage.drive(sendSignal(silent.broker, silent.deps, run, { name: 'go', key: 'k', by: ME }))
    expect(stage.clock.now() - before).toBeLessThan(2_000)
    one.clock.thaw()
    await stage.untilTag(run, 'COMPLETED.Completed', 5_000)
  })

  it('sent twice under one key is one transition, and both get the same answer', async () => {
    const run = await stage.create()
    const first = await stage.signal(run, 'cancel', { key: 'same' })
    const second = await stage.signal(run, 'cancel', { key: 'same' })
    expect([first.outcome, second.outcome]).toEqual(['applied', 'applied'])
    expect(await stage.entriesOf(run)).toBe(2)
  })

  it('to a run that there is not is missing', async () => {
    expect(await stage.signal('nobody', 'cancel')).toEqual({ outcome: 'missing' })
  })

  it('that the run does not take names those that it does', async () => {
    const run = await stage.create()
    expect(await stage.signal(run, 'resume')).toMatchObject({
      outcome: 'rejected',
      tag: 'SCHEDULED.Scheduled',
      legalSignals: ['cancel'],
    })
    expect(await stage.entriesOf(run)).toBe(1)
  })

  it('with a payload of a megabyte is delivered whole', async () => {
    const one = await stage.host('one', {
      flow: async (r) => {
        const outcome = await r.waitForSignal('go')
        return outcome.is === 'received' ? String(outcome.payload).length : -1
      },
    })
    const run = await stage.begin(one)
    await stage.signal(run, 'go', { payload: { v: 'x'.repeat(1_000_000) } })
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect((await stage.stateOf(run)).result).toEqual({ v: 1_000_000 })
  })

  it('too large in any other way is refused with the limit, and the run goes on', async () => {
    const one = await stage.host('one', { flow: waits })
    const run = await stage.begin(one)
    for (const target of [run, await stage.create()])
      await expect(
        stage.signal(target, 'cancel', { message: 'x'.repeat(LIMITS.record) }),
      ).rejects.toMatchObject({
        code: 'CB_E_PAYLOAD_TOO_LARGE',
      })
    expect((await stage.stateOf(run)).flow.tag).toBe('RUNNING.Running')
  })

  it('that two send at the same moment is answered truly to both', async () => {
    const run = await stage.create()
    const send = (name: string) =>
      sendSignal(stage.home.broker, stage.home.deps, run, { name, key: name, by: ME })
    const answers = await stage.drive(Promise.all([send('cancel'), send('retry'), send('hello')]))
    const history = await stage.historyOf(run)
    for (const [i, event] of ['CANCEL', 'RETRY', 'SIGNAL'].entries())
      expect([event, history.some((line) => line.startsWith(`${event} `))]).toEqual([
        event,
        answers[i]?.outcome === 'applied',
      ])
  })
})

describe('the address of a hosted run', () => {
  it('answers who is there, ignores what is no message, and closes with the run', async () => {
    const one = await stage.host('one', { flow: waits })
    const run = await stage.begin(one)
    const ask = (value: Parameters<typeof stage.home.broker.bus.publish>[1]) =>
      stage.drive(stage.home.broker.bus.request(runAddress(run), value, { timeoutMs: 100 }))
    expect(await ask({ op: 'ping' })).toEqual({
      outcome: 'reply',
      value: { outcome: 'pong', worker: 'one', epoch: 1 },
    })
    for (const nonsense of [
      'hello',
      null,
      { op: 'explode' },
      { op: 'signal' },
      { op: 'signal', signal: { name: 1 } },
    ])
      expect(await ask(nonsense)).toEqual({ outcome: 'timeout' })
    await stage.signal(run, 'go')
    await stage.untilTag(run, 'COMPLETED.Completed')
    await stage.clock.advance(100)
    expect(await ask({ op: 'ping' })).toEqual({ outcome: 'nobody-home' })
  })
})

describe('a task that waits for a person', () => {
  it('runs when it is resumed, hosted here or there', async () => {
    const one = await stage.host('one', {
      flow: (r) =>
        r.task({ task: 'manual', instead: { is: 'hold', message: 'please look' } }, () => 'looked at'),
    })
    const run = await stage.begin(one)
    await stage.clock.advance(1_000)
    expect((await stage.stateOf(run)).tasks.get('manual-0')?.snapshot.tag).toBe('PAUSED.Paused')
    const { broker, deps } = stage.home
    expect(await stage.drive(resumeTask(broker, deps, run, 'nothing-0', ME))).toMatchObject({
      outcome: 'rejected',
    })
    expect(await stage.drive(resumeTask(broker, deps, run, 'manual-0', ME))).toMatchObject({
      outcome: 'applied',
    })
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect((await stage.stateOf(run)).result).toEqual({ v: 'looked at' })
  })
})
