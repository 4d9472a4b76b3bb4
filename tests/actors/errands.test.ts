import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BodyOutcome, InlineFlow, Program, RunSession } from '../../src/actors/index.ts'
import type { FaultRule } from '../../src/testing/index.ts'
import { type HostMachine, type HostStage, makeHostStage } from './support/host-stage.ts'

let stage: HostStage
beforeEach(async () => {
  stage = await makeHostStage()
  await stage.scheduler()
})
afterEach(() => stage.close())

const wait = (ms: number) => new Promise<void>((resolve) => stage.clock.setTimer(ms, resolve))

/** Calls a task whose body is an errand; gives its result. */
const sendOut = (run: RunSession, parameters: unknown = null, retries = 0): Promise<unknown> => {
  const id = run.identity('work')
  return run.task(
    {
      task: 'work',
      id,
      away: true,
      retry: { retries },
      interpret: (returned) => returned as BodyOutcome,
    },
    ({ attempt, failures }) =>
      run.errand({
        id,
        attempt,
        failures,
        flow: 'body',
        parameters: { v: parameters as never },
        queue: 'bodies',
      }),
  )
}

const flow: Program = (run) => sendOut(run)
const flowHost = (name: string, program: Program = flow, plan: readonly FaultRule[] = []) =>
  stage.host(name, { flow: program }, {}, { plan: { rules: [...plan] } })
const bodyHost = (
  name: string,
  body: Program | InlineFlow,
  { slots = 10, drainMs = 1_000, rules = [] as readonly FaultRule[] } = {},
) => stage.host(name, { body }, { queues: ['bodies'], slots, drainMs }, { plan: { rules: [...rules] } })

/** How often the body of `work-0` was recorded to have ended. */
const endsOf = async (run: string) =>
  (await stage.historyOf(run)).filter((line) => /^work-0 (COMPLETE|FAIL|CRASH) /.test(line))

const resultOf = async (run: string) => (await stage.stateOf(run)).result

describe('an errand', () => {
  it('is run by who serves its queue, and recorded as any body is, in the log of its flow run alone', async () => {
    const one = await flowHost('one', async (r) => sendOut(r, 20))
    await bodyHost('two', async (_, n) => Number(n) + 1)
    const run = await stage.begin(one)
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(await resultOf(run)).toEqual({ v: 21 })
    expect((await stage.historyOf(run)).filter((line) => line.includes('work'))).toEqual([
      'work-0 START RUNNING.Running',
      'work-0 COMPLETE COMPLETED.Completed',
    ])
  })

  it('takes no slot of the host that waits for it, and one of who runs it until it is reported', async () => {
    const one = await flowHost('one', (r) => Promise.all([1, 2, 3, 4, 5].map((n) => sendOut(r, n))))
    let most = 0
    let running = 0
    const two = await bodyHost(
      'two',
      async () => {
        most = Math.max(most, ++running)
        await wait(1_000)
        running--
      },
      { slots: 2 },
    )
    const run = await stage.begin(one)
    await stage.until(() => running === 2)
    expect([one.host.busy, two.host.busy, two.host.hosted]).toEqual([0, 2, 2])
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(most).toBe(2)
    expect(two.host.isIdle).toBe(true)
  })

  it('that is over counts as no body any more, and hides none: a paused run is quiet when its last one has ended', async () => {
    let isRunning = false
    const one = await flowHost('one', async (r) => {
      await Promise.all([sendOut(r), sendOut(r)])
      await r.task({ task: 'here' }, async () => {
        isRunning = true
        await wait(10_000)
        isRunning = false
      })
      await r.task({ task: 'next' }, () => null)
    })
    await bodyHost('two', async () => null)
    const run = await stage.begin(one)
    await stage.until(() => isRunning)
    const quiescedAt = async () => (await stage.stateOf(run)).flow.context.hold?.quiescedAt
    expect((await stage.signal(run, 'pause')).outcome).toBe('applied')
    await stage.clock.advance(5_000)
    expect([isRunning, await quiescedAt()]).toEqual([true, null])
    await stage.clock.advance(10_000)
    expect([isRunning, await quiescedAt()]).toEqual([false, expect.any(Number)])
    await stage.signal(run, 'resume')
    await stage.untilTag(run, 'COMPLETED.Completed')
  })

  it('that fails is tried again by the policy of its task', async () => {
    const one = await flowHost('one', (r) => sendOut(r, null, 2))
    const seen: number[] = []
    await bodyHost('two', async (r) => {
      seen.push(r.start.failures)
      if (seen.length < 3) throw new Error('not yet')
    })
    const run = await stage.begin(one)
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(seen.length).toBe(3)
  })

  it('gives values of any size, both ways', async () => {
    const one = await flowHost('one', (r) => sendOut(r, 'x'.repeat(200_000)))
    await bodyHost('two', async (_, text) => String(text) + String(text))
    const run = await stage.begin(one)
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(await resultOf(run)).toMatchObject({ bytes: 400_002 })
  })

  it('for which nobody there has the code waits until somebody comes who has', async () => {
    const one = await flowHost('one')
    await stage.host('blank', {}, { queues: ['bodies'] })
    const run = await stage.begin(one)
    await stage.clock.advance(30_000) // given back, and given up, more than once
    await bodyHost('two', async () => 'done')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(await resultOf(run)).toEqual({ v: 'done' })
  })
})

describe('who runs an errand', () => {
  it('and dies is noticed, and another runs it', async () => {
    const one = await flowHost('one')
    let two: HostMachine | undefined
    let ran = 0
    const body: Program = async () => {
      if (++ran === 1) two?.kill()
      if (ran === 1) await new Promise(() => {})
      return ran
    }
    two = await bodyHost('two', body)
    const run = await stage.begin(one)
    await stage.until(() => ran === 1)
    await bodyHost('three', body)
    const from = stage.clock.monotonic()
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(stage.clock.monotonic() - from).toBeLessThan(20_000)
    expect([await resultOf(run), await endsOf(run)]).toEqual([
      { v: 2 },
      ['work-0 COMPLETE COMPLETED.Completed'],
    ])
  })

  it('and dies of it each time makes its attempt crash in the end', async () => {
    const one = await flowHost('one')
    let ran = 0
    const hosts: HostMachine[] = []
    const body: Program = async () => {
      hosts[ran++]?.kill()
      await new Promise(() => {})
    }
    const run = await stage.begin(one, { policy: { maxRecoveries: 1 } })
    for (const name of ['two', 'three']) {
      hosts.push(await bodyHost(name, body))
      const before = ran
      await stage.until(() => ran > before)
    }
    await stage.untilTag(run, 'FAILED.Failed')
    expect(await endsOf(run)).toEqual(['work-0 CRASH CRASHED.Crashed'])
    expect((await stage.stateOf(run)).tasks.get('work-0')?.state.message).toBe(
      'The process that ran the task was lost, 2 times.',
    )
  })

  it('and is stopped gives it back at once', async () => {
    const one = await flowHost('one')
    let ran = 0
    const two = await bodyHost('two', async (r) => {
      ran++
      await new Promise((_, reject) => r.signal.addEventListener('abort', () => reject(r.signal.reason)))
    })
    const run = await stage.begin(one)
    await stage.until(() => ran === 1)
    await bodyHost('three', async () => 'done')
    const from = stage.clock.monotonic()
    await stage.drive(two.host.stop())
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(stage.clock.monotonic() - from).toBeLessThan(5_000)
  })

  it('is told when its flow run is cancelled, and what it says then is not heard', async () => {
    const one = await flowHost('one')
    let heard: unknown
    await bodyHost('two', async (r) => {
      await new Promise<void>((resolve) => r.signal.addEventListener('abort', () => resolve()))
      heard = r.signal.reason
      return 'too late'
    })
    const run = await stage.begin(one)
    await stage.clock.advance(1_000)
    await stage.signal(run, 'cancel')
    await stage.untilTag(run, 'CANCELLED.Cancelled')
    await stage.until(() => heard !== undefined, 1_000)
    expect(heard).toBe('cancelled')
    expect(await endsOf(run)).toEqual([])
  })

  it('hears by its heartbeat of a cancel that it was not told of', async () => {
    const one = await flowHost('one', flow, [{ operation: 'bus.publish', fault: 'lose-before', nth: 1 }])
    let heard: unknown
    await bodyHost('two', async (r) => {
      await new Promise<void>((resolve) => r.signal.addEventListener('abort', () => resolve()))
      heard = r.signal.reason
    })
    const run = await stage.begin(one)
    await stage.clock.advance(1_000)
    await stage.signal(run, 'cancel')
    await stage.until(() => heard !== undefined, 10_000)
    expect(heard).toBe('cancelled')
  })
})

describe('the host of the run', () => {
  it('that dies is followed by another, which finds the body again that went on', async () => {
    let asked = 0
    const program: Program = async (r) => {
      asked++
      return sendOut(r)
    }
    const one = await flowHost('one', program)
    let ran = 0
    await bodyHost('two', async () => {
      ran++
      await wait(60_000)
      return 'done'
    })
    const run = await stage.begin(one)
    await stage.until(() => ran === 1)
    one.kill()
    await flowHost('three', program)
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect([asked, ran, await resultOf(run)]).toEqual([2, 1, { v: 'done' }])
    expect(await endsOf(run)).toEqual(['work-0 COMPLETE COMPLETED.Completed'])
  })

  it('need not be there when the body ends: the next one finds what it came to', async () => {
    const one = await flowHost('one')
    let ran = 0
    const two = await bodyHost('two', async () => {
      ran++
      await wait(5_000)
      return 'done'
    })
    const run = await stage.begin(one)
    await stage.until(() => ran === 1)
    await stage.clock.advance(200)
    one.kill()
    await stage.until(() => two.host.isIdle)
    await stage.drive(two.host.stop())
    await flowHost('three')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect([ran, await resultOf(run), await endsOf(run)]).toEqual([
      1,
      { v: 'done' },
      ['work-0 COMPLETE COMPLETED.Completed'],
    ])
  })

  it('may have let the run go: a body that ends while it is suspended is not run again', async () => {
    let ran = 0
    const one = await flowHost('one', async (r) => {
      const out = sendOut(r)
      if (ran === 0) await wait(100)
      await r.suspend()
      return out
    })
    const two = await bodyHost('two', async () => {
      ran++
      await wait(5_000)
      return 'done'
    })
    const run = await stage.begin(one)
    await stage.untilTag(run, 'PAUSED.Suspended')
    await stage.until(() => ran === 1 && two.host.isIdle)
    await stage.signal(run, 'resume')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect([ran, await resultOf(run)]).toEqual([1, { v: 'done' }])
  })

  it('lets no body begin while the run is paused, and waits for those that have', async () => {
    const one = await flowHost('one', (r) => Promise.all([sendOut(r, 1), sendOut(r, 2)]))
    const began: unknown[] = []
    await bodyHost(
      'two',
      async (_, n) => {
        began.push(n)
        await wait(3_000)
      },
      { slots: 1 },
    )
    const run = await stage.begin(one)
    await stage.until(() => began.length === 1)
    await stage.signal(run, 'pause')
    await stage.clock.advance(1_000)
    expect((await stage.stateOf(run)).flow.context.hold?.quiescedAt).toBeNull()
    await stage.clock.advance(20_000)
    expect((await stage.stateOf(run)).flow.context.hold?.quiescedAt).not.toBeNull()
    expect(began.length).toBe(1)
    await stage.signal(run, 'resume')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(began.length).toBe(2)
  })

  it('is asked for what the body wants of it, and again when an answer was lost', async () => {
    const one = await flowHost('one')
    let inner = 0
    const body: Program = async (r) => r.task({ task: 'inner' }, () => ++inner)
    const rules = [2, 3, 4, 5].map(
      (nth): FaultRule => ({ operation: 'bus.request', fault: 'lose-after', nth }),
    )
    await bodyHost('two', body, { rules })
    const run = await stage.begin(one)
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect([inner, await resultOf(run)]).toEqual([1, { v: 1 }])
  })

  it('that dies while the body asks it for something makes the body begin anew, with what it had done', async () => {
    const one = await flowHost('one')
    const did: string[] = []
    await bodyHost('two', async (r) => {
      did.push('body')
      await r.task({ task: 'first' }, () => did.push('first'))
      await wait(2_000)
      return r.task({ task: 'second' }, () => did.push('second'))
    })
    const run = await stage.begin(one)
    await stage.until(() => did.length === 2)
    await stage.clock.advance(500)
    one.kill()
    await flowHost('three')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(did).toEqual(['body', 'first', 'body', 'second'])
  })
})

describe('whatever goes wrong', () => {
  const operations = ['bus.request', 'queue.ack', 'queue.claim', 'queue.enqueue', 'log.append'] as const
  const faults = ['crash-after', 'crash-before', 'cut', 'lose-after', 'lose-before'] as const
  const cases = operations.flatMap((operation) =>
    faults.flatMap((fault) => [1, 2, 3].map((nth) => ({ operation, fault, nth }))),
  )

  it.each(cases)(
    'at the $operation number $nth ($fault) of either side, each body is recorded once',
    async (rule) => {
      const program: Program = async (r) => {
        const out = await Promise.all([1, 2, 3].map((n) => sendOut(r, n)))
        return [...out, await sendOut(r, 4)]
      }
      const body: Program = async (_, n) => {
        await wait(500)
        return Number(n) * 2
      }
      const hit = [await flowHost('one', program, [rule]), await bodyHost('two', body, { rules: [rule] })]
      const bury = () => {
        for (const each of hit)
          if (rule.fault.startsWith('crash') && each.broker.faults.length > 0) each.kill()
      }
      const run = await stage.create()
      await stage.clock.advance(700)
      bury()
      await flowHost('spare-one', program)
      await bodyHost('spare-two', body)
      await stage.untilTag(run, 'COMPLETED.Completed')
      bury()
      expect(await resultOf(run)).toEqual({ v: [2, 4, 6, 8] })
      expect(await endsOf(run)).toEqual(['work-0 COMPLETE COMPLETED.Completed'])
    },
  )
})
