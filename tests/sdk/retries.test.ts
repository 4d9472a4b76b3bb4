import { describe, expect, test } from 'vitest'
import { exponentialBackoff, failed, flow, NonRetryableError, runtime, task } from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()

/** A body that fails its first calls. */
function failing(times: number) {
  const calls: number[] = []
  return {
    calls,
    body: async () => {
      calls.push(stage.harness.now().getTime())
      if (calls.length <= times) throw new Error(`call ${calls.length} fails`)
      return 'at last'
    },
  }
}

/** Whole seconds between the calls. */
const pauses = (calls: readonly number[]) =>
  calls.slice(1).map((at, i) => Math.floor((at - (calls[i] ?? 0)) / 1000))

describe('a task with retries', () => {
  test('[prefect 1] that always fails runs once more than its retries and ends Failed', async () => {
    const { body, calls } = failing(99)
    const always = task({ name: 'p1', retries: 3 }, body)
    const run = await stage.play(flow('p1-flow', async () => (await always.withState()).name))
    expect(calls).toHaveLength(4)
    expect(run.state.data).toBe('Failed')
    expect(await run.of('p1-0')).toEqual(['Pending', 'Running', 'Retrying', 'Retrying', 'Retrying', 'Failed'])
  })

  test('[prefect 2] that succeeds on its second call ends Completed', async () => {
    const { body, calls } = failing(1)
    const second = task({ name: 'p2', retries: 3 }, body)
    const run = await stage.play(flow('p2-flow', () => second()))
    expect(calls).toHaveLength(2)
    expect(run.state.data).toBe('at last')
    expect(await run.of('p2-0')).toEqual(['Pending', 'Running', 'Retrying', 'Completed'])
  })

  test.each([
    ['one number', 1, [1, 1, 1]],
    ['a list', [1, 2, 3], [1, 2, 3]],
    ['a shorter list, whose last entry repeats', [1, 2], [1, 2, 2]],
    ['texts', ['1s', '2s'], [1, 2, 2]],
    ['a backoff', exponentialBackoff(2), [2, 4, 8]],
    ['a backoff with a cap', exponentialBackoff(2, { cap: '5s' }), [2, 4, 5]],
    ['a function of the failures', (n: number) => n * 10, [10, 20, 30]],
  ] as const)(
    '[prefect 3] waits as long as its delay says: %s',
    async (what, retryDelaySeconds, expected) => {
      const { body, calls } = failing(3)
      const delayed = task({ name: `p3 ${what}`, retries: 3, retryDelaySeconds }, body)
      const run = await stage.play(flow(`p3-flow ${what}`, () => delayed()))
      expect(pauses(calls)).toEqual(expected)
      expect(await run.of(`p3 ${what}-0`)).toEqual([
        'Pending',
        'Running',
        ...['AwaitingRetry', 'Retrying', 'AwaitingRetry', 'Retrying', 'AwaitingRetry', 'Retrying'],
        'Completed',
      ])
    },
  )

  test('[prefect 4] knows in each attempt which one it is', async () => {
    const counts: unknown[] = []
    const counting = task({ name: 'p4', retries: 3, retryDelaySeconds: 1 }, async () => {
      counts.push(runtime.taskRun.runCount)
      if (counts.length < 4) throw new Error('again')
    })
    await stage.play(flow('p4-flow', () => counting()))
    expect(counts).toEqual([1, 2, 3, 4])
  })

  test('[prefect 5] is retried when it returns a failed state', async () => {
    let calls = 0
    const returning = task({ name: 'p5', retries: 1 }, async () =>
      ++calls === 1 ? failed('not yet') : 'now',
    )
    const run = await stage.play(flow('p5-flow', () => returning()))
    expect(calls).toBe(2)
    expect(run.state.data).toBe('now')
  })

  test('[prefect 6] asks its condition once for each failure, with the task, the run and a Failed state', async () => {
    const asked: unknown[] = []
    const { body, calls } = failing(99)
    const conditional = task(
      {
        name: 'p6',
        retries: 5,
        retryCondition: (of, run, state) => {
          asked.push([of.name, run.runCount, state.type, (state.error as Error).message])
          return asked.length < 2
        },
      },
      body,
    )
    await stage.play(flow('p6-flow', () => conditional.withState().then(String)))
    expect(calls).toHaveLength(2)
    expect(asked).toEqual([
      ['p6', 1, 'FAILED', 'call 1 fails'],
      ['p6', 2, 'FAILED', 'call 2 fails'],
    ])
  })

  test('[prefect 6] is not retried when the condition itself fails', async () => {
    const { body, calls } = failing(99)
    const broken = task(
      {
        name: 'p6-broken',
        retries: 5,
        retryCondition: () => {
          throw new Error('broken')
        },
      },
      body,
    )
    await stage.play(flow('p6-broken-flow', () => broken.withState().then(String)))
    expect(calls).toHaveLength(1)
  })

  test('[prefect 8] waits by the place in the list that the failure has', async () => {
    const { body, calls } = failing(5)
    const delayed = task({ name: 'p8', retries: 5, retryDelaySeconds: [2, 3, 5, 7, 11] }, body)
    await stage.play(flow('p8-flow', () => delayed()))
    expect(pauses(calls)).toEqual([2, 3, 5, 7, 11])
  })

  test('[prefect 9] waits as long as the last entry beyond the end of the list', async () => {
    const { body, calls } = failing(4)
    const delayed = task({ name: 'p9', retries: 4, retryDelaySeconds: [2, 3] }, body)
    await stage.play(flow('p9-flow', () => delayed()))
    expect(pauses(calls)).toEqual([2, 3, 3, 3])
  })

  test('[prefect 10] draws its wait from the delay and the jitter factor', async () => {
    const { body, calls } = failing(20)
    const jittery = task({ name: 'p10', retries: 20, retryDelaySeconds: 10, retryJitterFactor: 9 }, body)
    await stage.play(flow('p10-flow', () => jittery()))
    const waits = pauses(calls)
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(10)
    expect(Math.max(...waits)).toBeLessThanOrEqual(100)
    expect(Math.max(...waits)).toBeGreaterThan(50)
  })

  test('[prefect 11] ends Failed when its retries are spent', async () => {
    const { body } = failing(99)
    const spent = task({ name: 'p11', retries: 2 }, body)
    const run = await stage.play(flow('p11-flow', () => spent()))
    expect(run.state.name).toBe('Failed')
    expect((await run.of('p11-0')).at(-1)).toBe('Failed')
  })

  test('[prefect 12] is not retried after an error that says that it cannot help', async () => {
    const { calls } = failing(0)
    const hopeless = task({ name: 'p12', retries: 5 }, async () => {
      calls.push(0)
      throw new NonRetryableError('the address is wrong')
    })
    const run = await stage.play(flow('p12-flow', () => hopeless()))
    expect(calls).toHaveLength(1)
    expect(run.state.message).toBe('the address is wrong')
  })
})

describe('a process in which tasks have retries by default', () => {
  const generous = useStage({ settings: { taskRetries: 1 } })

  test('[prefect 7] retries tasks that say nothing themselves', async () => {
    let calls = 0
    const plain = task('p7', async () => {
      calls++
      throw new Error('no')
    })
    await generous.play(flow('p7-flow', () => plain.withState().then(String)))
    expect(calls).toBe(2)
  })
})

describe('a flow with retries', () => {
  test('[prefect 13] that fails once runs twice and gives its result', async () => {
    let runs = 0
    const twice = flow({ name: 'p13', retries: 1 }, async () => {
      if (++runs === 1) throw new Error('no')
      return 'yes'
    })
    const { state, states } = await stage.play(twice)
    expect([runs, state.data]).toEqual([2, 'yes'])
    expect(states).toEqual(['Scheduled', 'Pending', 'Running', 'Retrying', 'Completed'])
  })

  test('[prefect 14] does not run a task again that completed', async () => {
    const { body, calls } = failing(0)
    const once = task('p14-task', body)
    let runs = 0
    const parent = flow({ name: 'p14', retries: 1 }, async () => {
      const value = await once()
      if (++runs === 1) throw new Error('no')
      return value
    })
    expect((await stage.play(parent)).state.data).toBe('at last')
    expect([runs, calls.length]).toEqual([2, 1])
  })

  test('[prefect 15] runs a task again that failed', async () => {
    const { body, calls } = failing(1)
    const flaky = task('p15-task', body)
    const { state } = await stage.play(flow({ name: 'p15', retries: 1 }, () => flaky()))
    expect([calls.length, state.data]).toEqual([2, 'at last'])
  })

  test('[prefect 16] gives its tasks fresh retries', async () => {
    let calls = 0
    let runs = 0
    const flaky = task({ name: 'p16-task', retries: 1 }, async () => {
      calls++
      if (runs === 1 || calls === 3) throw new Error('no')
      return 'yes'
    })
    const parent = flow({ name: 'p16', retries: 1 }, async () => {
      runs++
      return flaky()
    })
    expect((await stage.play(parent)).state.data).toBe('yes')
    expect(calls).toBe(4)
  })

  test('[prefect 17] fails in the end with what its task threw', async () => {
    const { body, calls } = failing(99)
    const never = task({ name: 'p17-task', retries: 2 }, body)
    const { state } = await stage.play(flow({ name: 'p17', retries: 1 }, () => never()))
    expect(calls).toHaveLength(6)
    expect(() => state.result()).toThrow('call 6 fails')
  })

  test('[prefect 18] does not run a child flow again that completed', async () => {
    let children = 0
    let runs = 0
    const child = flow('p18-child', async () => ++children)
    const parent = flow({ name: 'p18', retries: 1 }, async () => {
      const value = await child()
      if (++runs === 1) throw new Error('no')
      return value
    })
    expect((await stage.play(parent)).state.data).toBe(1)
    expect([runs, children]).toEqual([2, 1])
  })

  test('[prefect 19] runs a child flow that failed as another run', async () => {
    const children: unknown[] = []
    const child = flow('p19-child', async () => {
      children.push(runtime.flowRun.id)
      if (children.length === 1) throw new Error('no')
      return 'yes'
    })
    const parent = flow({ name: 'p19', retries: 1 }, async () => child())
    expect((await stage.play(parent)).state.data).toBe('yes')
    expect(new Set(children).size).toBe(2)
    const first = await stage.harness.until(stage.harness.client.state(String(children[0])))
    expect(first.name).toBe('Failed')
  })

  test('[prefect 20] multiplies the retries of its children with its own', async () => {
    let children = 0
    const child = flow({ name: 'p20-child', retries: 1 }, async () => {
      children++
      throw new Error('no')
    })
    const { state } = await stage.play(flow({ name: 'p20', retries: 1 }, async () => child()))
    expect([children, state.name]).toEqual([4, 'Failed'])
  })

  test('[prefect 21] waits for its retry in its own process: no worker is called for it', async () => {
    let runs = 0
    const delayed = flow({ name: 'p21', retries: 1, retryDelaySeconds: 300 }, async () => {
      if (++runs === 1) throw new Error('no')
    })
    const { states } = await stage.play(delayed)
    expect(states).toEqual(['Scheduled', 'Pending', 'Running', 'AwaitingRetry', 'Retrying', 'Completed'])
  })

  test('[prefect 22] [prefect 23] can be retried by hand when its own retries are spent', async () => {
    let runs = 0
    const stubborn = flow({ name: 'p22', retries: 1 }, async () => {
      if (++runs <= 3) throw new Error('no')
      return runs
    })
    const { id, state } = await stage.play(stubborn)
    expect([runs, state.name]).toEqual([2, 'Failed'])
    const handle = stage.harness.client.handle(id)
    expect(await stage.harness.until(handle.retry())).toMatchObject({ outcome: 'applied' })
    expect(await stage.harness.until(handle.result())).toBe(4)
  })

  test('[prefect 24] runs its failure hooks once, when it has failed for good', async () => {
    const heard: string[] = []
    const onFailure = (_: unknown, __: unknown, state: { name: string }) => void heard.push(state.name)
    const broken = task({ name: 'p24-task', retries: 2, onFailure }, async () => {
      throw new Error('no')
    })
    await stage.play(flow({ name: 'p24', retries: 1, onFailure }, () => broken()))
    expect(heard).toEqual(['Failed', 'Failed', 'Failed']) // the task run of each flow run, and the flow
  })
})
