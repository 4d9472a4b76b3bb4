import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NonRetryableError, type Program, resumeTask } from '../../src/actors/index.ts'
import { type HostMachine, type HostStage, makeHostStage, type NewInput } from './support/host-stage.ts'

let stage: HostStage
beforeEach(async () => {
  stage = await makeHostStage()
  await stage.scheduler()
})
afterEach(() => stage.close())

const wait = (ms: number) => new Promise<void>((resolve) => stage.clock.setTimer(ms, resolve))

async function finish(
  flow: Program,
  input: NewInput = {},
): Promise<{ run: string; one: HostMachine; history: string[] }> {
  const one = await stage.host('one', { flow })
  const run = await stage.begin(one, input)
  await stage.until(() => one.host.hosted === 0)
  return { one, run, history: await stage.historyOf(run) }
}

const resultOf = async (run: string): Promise<unknown> => {
  const { result } = await stage.stateOf(run)
  return result === undefined || 'object' in result ? result : result.v
}

/** Fails the first `times` times. */
function failing(times: number, error: () => unknown = () => new Error('not yet')) {
  let calls = 0
  const at: number[] = []
  return {
    at,
    body: () => {
      at.push(stage.clock.now())
      if (++calls <= times) throw error()
      return calls
    },
  }
}

describe('a task that fails', () => {
  it('is tried again at once when its policy waits for nothing', async () => {
    const { body } = failing(2)
    const { run, history } = await finish((r) => r.task({ task: 't', retry: { retries: 3 } }, body))
    expect(await resultOf(run)).toBe(3)
    expect(history.filter((line) => line.startsWith('t-0'))).toEqual([
      't-0 START RUNNING.Running',
      't-0 FAIL RUNNING.Retrying',
      't-0 FAIL RUNNING.Retrying',
      't-0 COMPLETE COMPLETED.Completed',
    ])
  })

  it('waits by the scheduler between attempts, as long as its policy says; the last delay repeats', async () => {
    const { at, body } = failing(3)
    await finish((r) => r.task({ task: 't', retry: { retries: 3, delayMs: [1_000, 5_000] } }, body))
    const waits = at.slice(1).map((time, i) => time - (at[i] ?? 0))
    for (const [i, ms] of [1_000, 5_000, 5_000].entries()) {
      expect(waits[i]).toBeGreaterThanOrEqual(ms)
      expect(waits[i]).toBeLessThan(ms + 100)
    }
  })

  it('throws what it failed with to the code when no retry is left', async () => {
    const { run } = await finish(async (r) => {
      try {
        await r.task({ task: 't', retry: { retries: 1 } }, () => {
          throw Object.assign(new RangeError('too far'), { by: 7 })
        })
      } catch (error) {
        return [error instanceof RangeError, Reflect.get(Object(error), 'by')]
      }
      return 'nothing was thrown'
    })
    expect(await resultOf(run)).toEqual([true, 7])
  })

  it('is not tried again when its error says that this cannot help', async () => {
    const { at, body } = failing(9, () => new NonRetryableError('no such user'))
    const { history } = await finish((r) => r.task({ task: 't', retry: { retries: 5 } }, body))
    expect(at).toHaveLength(1)
    expect(history).toContain('t-0 FAIL FAILED.Failed')
  })

  it('waits for as long as the error asks', async () => {
    const { at, body } = failing(1, () => Object.assign(new Error('slow down'), { retryAfterMs: 30_000 }))
    await finish((r) => r.task({ task: 't', retry: { retries: 1, delayMs: 10 } }, body))
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(30_000)
  })

  it('is TimedOut when it takes too long: its signal fires, and it is retried like a failure', async () => {
    const reasons: unknown[] = []
    let calls = 0
    const { run, history } = await finish((r) =>
      r.task({ task: 't', timeoutMs: 1_000, retry: { retries: 1 } }, async ({ signal }) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason))
        if (++calls === 1) await wait(60_000)
        return 'in time'
      }),
    )
    expect(await resultOf(run)).toBe('in time')
    expect(reasons).toMatchObject([{ name: 'TimeoutError' }])
    expect(history).toContain('t-0 FAIL RUNNING.Retrying')
  })

  it('waits in vain no longer than its host: another host tries it again at its time', async () => {
    const calls: string[] = []
    const flow =
      (name: string): Program =>
      (r) =>
        r.task({ task: 't', retry: { retries: 1, delayMs: 20_000 } }, () => {
          calls.push(name)
          if (calls.length === 1) throw new Error('first')
          return calls
        })
    const one = await stage.host('one', { flow: flow('one') })
    const run = await stage.begin(one)
    await stage.clock.advance(2_000)
    one.kill()
    await stage.host('two', { flow: flow('two') })
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(calls).toEqual(['one', 'two'])
    expect((await stage.stateOf(run)).tasks.get('t-0')?.snapshot.context).toMatchObject({
      failures: 1,
      runCount: 2,
    })
  })
})

describe('a task that has ended', () => {
  it('is in the log before its caller goes on, however long its body and the broker take', async () => {
    for (let bodyMs = 2; bodyMs <= 60; bodyMs += 2) {
      let machine: HostMachine | undefined
      let isOver = false
      const flow: Program = async (r) => {
        await r.task({ task: 'first' }, () => wait(bodyMs))
        isOver = true
        machine?.kill()
      }
      const plan = { rates: { 'log.append': { delay: 1 } }, longestDelayMs: 40 } as const
      machine = await stage.host(`host-${bodyMs}`, { flow }, { queues: [] }, { plan })
      const run = await stage.begin(machine)
      await stage.until(() => isOver)
      expect(await stage.historyOf(run), `${bodyMs} ms`).toContain('first-0 COMPLETE COMPLETED.Completed')
    }
  })
})

describe('a flow that fails', () => {
  it('runs again from the top: what completed answers from the log, the rest runs again', async () => {
    const bodies: string[] = []
    const { run } = await finish(
      async (r) => {
        await r.task({ task: 'good' }, () => void bodies.push('good'))
        await r.task({ task: 'bad' }, () => {
          bodies.push('bad')
          if (bodies.length < 4) throw new Error('bad')
        })
        return r.start.runCount
      },
      { policy: { retries: 5 } },
    )
    expect(await resultOf(run)).toBe(3)
    expect(bodies).toEqual(['good', 'bad', 'bad', 'bad'])
  })

  it('gives each of its attempts the whole budget of each task', async () => {
    let calls = 0
    const { run } = await finish(
      (r) =>
        r.task({ task: 't', retry: { retries: 2 } }, () => {
          calls++
          throw new Error('always')
        }),
      { policy: { retries: 1 } },
    )
    expect(calls).toBe(6)
    expect((await stage.stateOf(run)).flow.tag).toBe('FAILED.Failed')
  })

  it('waits in its process for its own retry', async () => {
    let calls = 0
    const flow: Program = async () => {
      if (++calls === 1) throw new Error('first')
      return calls
    }
    const one = await stage.host('one', { flow: { program: flow, retry: { delayMs: 10_000 } } })
    const run = await stage.begin(one, { policy: { retries: 1 } })
    await stage.untilTag(run, 'SCHEDULED.AwaitingRetry')
    expect(one.host.hosted).toBe(1)
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect((await stage.historyOf(run)).slice(-3)).toEqual([
      'FAIL SCHEDULED.AwaitingRetry',
      'TIMER.retry RUNNING.Retrying',
      'COMPLETE COMPLETED.Completed',
    ])
  })

  it('that has ended is tried again by a signal, with everything that completed', async () => {
    const bodies: string[] = []
    const flow: Program = async (r) => {
      await r.task({ task: 'good' }, () => void bodies.push('good'))
      await r.task({ task: 'bad' }, () => {
        bodies.push('bad')
        if (bodies.length < 3) throw new Error('bad')
      })
    }
    const { run } = await finish(flow)
    expect((await stage.stateOf(run)).flow.tag).toBe('FAILED.Failed')
    await stage.signal(run, 'retry')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(bodies).toEqual(['good', 'bad', 'bad'])
  })

  it('leaves no body running that nobody waits for any more', async () => {
    const reasons: unknown[] = []
    const { history } = await finish(async (r) => {
      void r.task({ task: 'forgotten' }, ({ signal }) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason))
        return wait(60_000)
      })
      await r.task({ task: 't' }, () => wait(100))
      return 'done'
    })
    expect(reasons).toEqual(['ended'])
    expect(history.slice(-2)).toEqual([
      'COMPLETE COMPLETED.Completed',
      '1 tasks CANCELLED CANCELLED.Cancelled',
    ])
  })

  it('whose code cannot be started is Crashed, and says why', async () => {
    const one = await stage.host('one', { flow: async () => {} })
    const run = await stage.begin(one, { parameters: { object: 'values.gone.gone', bytes: 70_000 } })
    await stage.untilTag(run, 'CRASHED.Crashed')
    expect((await stage.stateOf(run)).state.message).toContain("'values.gone.gone'")
  })
})

describe('parallel tasks', () => {
  it('share entries: 10,000 of them are a handful', async () => {
    const { run } = await finish(async (r) => {
      const all = await Promise.all(
        Array.from({ length: 10_000 }, (_, i) => r.task({ task: 't' }, async () => i)),
      )
      return all.reduce<number>((sum, value) => sum + Number(value), 0)
    })
    expect(await resultOf(run)).toBe(49_995_000)
    expect(await stage.entriesOf(run)).toBeLessThan(25)
  })
})

describe('values', () => {
  it('of a megabyte go through the object store, and come back whole', async () => {
    const large = 'é'.repeat(500_000)
    const { run } = await finish(
      async (r, parameters) => {
        const first = await r.task({ task: 'large' }, () => ({ text: large }))
        return { same: Reflect.get(Object(first), 'text') === large, parameters, first }
      },
      { parameters: { v: large } },
    )
    const state = await stage.stateOf(run)
    expect(state.created.parameters).toMatchObject({ bytes: 1_000_002 })
    expect(state.tasks.get('large-0')?.result).toMatchObject({ bytes: 1_000_011 })
    expect(state.result).toMatchObject({ object: expect.stringMatching(`^values\\.${run}\\.`) })
  })

  it('that cannot be stored fail the task with the place that is to blame', async () => {
    const { run } = await finish((r) => r.task({ task: 't' }, () => ({ handler: { onClick: () => {} } })))
    const { failure } = await stage.stateOf(run)
    expect(failure).toMatchObject({ code: 'CB_E_VALUE_UNSERIALISABLE' })
    expect(failure?.message).toContain('handler.onClick')
  })

  it('are the same the first time and in a replay, and nobody’s later changes reach them', async () => {
    const seen: unknown[] = []
    const kept = { at: new Date(0), list: [1] }
    const one = await stage.host('one', {
      flow: async (r) => {
        const value = await r.task({ task: 't' }, () => kept)
        kept.list.push(2)
        seen.push(structuredClone(value))
        await r.suspend()
      },
    })
    const run = await stage.begin(one)
    await stage.until(() => one.host.hosted === 0)
    await stage.signal(run, 'resume')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(seen).toEqual([
      { at: new Date(0), list: [1] },
      { at: new Date(0), list: [1] },
    ])
  })

  it('wait for a broker that is away, on their way in and out', async () => {
    const large = 'x'.repeat(100_000)
    const one = await stage.host(
      'one',
      {
        flow: (r, parameters) =>
          r.task({ task: 't' }, () => [parameters, large].map((text) => String(text).length)),
      },
      {},
      {
        plan: {
          rules: [
            { operation: 'objects.get', fault: 'lose-before', nth: 1 },
            { operation: 'objects.put', fault: 'lose-before', nth: 2 },
            { operation: 'objects.put', fault: 'lose-after', nth: 3 },
          ],
        },
      },
    )
    const run = await stage.begin(one, { parameters: { v: large } })
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(await resultOf(run)).toEqual([100_000, 100_000])
    const again = await stage.host(
      'two',
      {
        flow: (r) => r.task({ task: 't' }, () => large),
      },
      {},
      { plan: { rules: [{ operation: 'objects.put', fault: 'lose-after', nth: 1 }] } },
    )
    const other = await stage.begin(again)
    await stage.untilTag(other, 'COMPLETED.Completed')
    expect((await stage.stateOf(other)).tasks.get('t-0')?.result).toMatchObject({ bytes: 100_002 })
  })

  it('that are gone from the object store are an error in the code that asks for them, not in the host', async () => {
    const one = await stage.host('one', { flow: (r) => r.pause() })
    const run = await stage.begin(one)
    await stage.untilTag(run, 'PAUSED.Paused')
    await stage.signal(run, 'resume', { payload: { object: 'values.gone.gone', bytes: 99_999 } })
    await stage.until(() => one.host.hosted === 0)
    expect((await stage.stateOf(run)).failure).toMatchObject({ code: 'CB_E_OBJECT_MISSING' })
  })

  it('that were recorded are given again', async () => {
    let calls = 0
    const flow: Program = async (r) => {
      const first = await r.value('random', () => ++calls)
      await r.suspend()
      return [first, await r.value('random', () => ++calls)]
    }
    const one = await stage.host('one', { flow })
    const run = await stage.begin(one)
    await stage.until(() => one.host.hosted === 0)
    await stage.signal(run, 'resume')
    await stage.untilTag(run, 'COMPLETED.Completed')
    expect(await resultOf(run)).toEqual([1, 3])
  })

  it('[scenario 8] too large for any record, in a failure, fail the task with that instead', async () => {
    const { run } = await finish((r) =>
      r.task(
        { task: 't', interpret: () => ({ is: 'failed', message: 'x'.repeat(70_000), retryDelayMs: null }) },
        () => 1,
      ),
    )
    expect((await stage.stateOf(run)).failure).toMatchObject({ code: 'CB_E_PAYLOAD_TOO_LARGE' })
  })
})

describe('a replay that meets another history', () => {
  const twice = async (first: Program, second: Program): Promise<string | undefined> => {
    const one = await stage.host('one', { flow: first })
    const run = await stage.begin(one)
    await stage.until(() => one.host.hosted === 0)
    await stage.drive(one.host.stop())
    await stage.host('two', { flow: second })
    await stage.signal(run, 'resume')
    await stage.until(() => false, 2_000).catch(() => {})
    const { failure } = await stage.stateOf(run)
    return failure?.code === undefined ? failure?.message : `${failure.code}: ${failure.message}`
  }

  it('says so, naming what was called and what was met', async () => {
    const told = await twice(
      async (r) => {
        await r.task({ task: 'a', inputs: 'one' }, () => 1)
        await r.suspend()
      },
      (r) => r.task({ task: 'a', inputs: 'two' }, () => 1),
    )
    expect(told).toMatch(/^CB_E_REPLAY_MISMATCH: .*a-0.*other inputs/)
  })

  it('says so of a wait as well', async () => {
    const told = await twice(
      (r) => r.suspend({ key: 'same' }),
      (r) => r.pause({ key: 'same' }),
    )
    expect(told).toMatch(/^CB_E_REPLAY_MISMATCH: .*same.*suspend/)
  })
})

describe('a task that waits to be told', () => {
  it('is held until it is resumed, and then runs', async () => {
    const one = await stage.host('one', {
      flow: (r) => r.task({ task: 't', instead: { is: 'hold' } }, () => 'ran'),
    })
    const run = await stage.begin(one)
    await stage.drive(wait(1_000))
    expect((await stage.stateOf(run)).tasks.get('t-0')?.state.tag).toBe('PAUSED.Paused')
    await stage.drive(resumeTask(one.broker, one.deps, run, 't-0', { channel: 'test' }))
    await stage.until(() => one.host.hosted === 0)
    expect(await resultOf(run)).toBe('ran')
    expect((await stage.historyOf(run)).filter((line) => line.startsWith('t-0'))).toEqual([
      't-0 HOLD PAUSED.Paused',
      't-0 RESUME SCHEDULED.Scheduled',
      't-0 START RUNNING.Running',
      't-0 COMPLETE COMPLETED.Completed',
    ])
  })
})
