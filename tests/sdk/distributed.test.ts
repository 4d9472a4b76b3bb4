import { afterEach, describe, expect, test } from 'vitest'
import {
  abortSignal,
  concurrency,
  concurrent,
  distributed,
  flow,
  getRunLogger,
  heartbeat,
  inputs,
  runtime,
  type ServedTask,
  type ServeTasksOptions,
  type Stoppable,
  serveTasks,
  skip,
  sleep,
  task,
} from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()
const play = <T>(code: () => Promise<T>) => stage.harness.run(code)
const inspect = (run: string) => stage.harness.until(stage.harness.client.inspect(run))

/** Only where its flow runs does a task see what that was called with. */
const place = () => (runtime.flowRun.parameters === undefined ? 'elsewhere' : 'here')

let serving: Stoppable | undefined
const serve = async (first: ServedTask | ServeTasksOptions, ...rest: ServedTask[]) => {
  serving = await play(() => serveTasks(first, ...rest))
}
afterEach(async () => {
  if (serving !== undefined) await play(async () => serving?.stop())
  serving = undefined
})

describe('a task of a flow whose task runner is distributed()', () => {
  test("runs in whatever process serves it; its run is the flow run's own", async () => {
    const double = task('away-double', async (n: number) => {
      getRunLogger().info(`doubling ${n}`)
      return { n: n * 2, of: runtime.taskRun.idempotencyKey, in: runtime.flowRun.id, at: place() }
    })
    await serve(double)
    const { id, state } = await stage.play(
      flow({ name: 'away-1', taskRunner: distributed() }, async (_: object) => double.submit(21).result()),
      {},
    )
    expect(state.data).toEqual({ n: 42, of: `${id}/away-double-0`, in: id, at: 'elsewhere' })
    const { children, tasks } = await inspect(id)
    expect(tasks.get('away-double-0')?.snapshot.tag).toBe('COMPLETED.Completed')
    expect(children.size).toBe(0)
    expect(await stage.linesOf(id)).toContain('doubling 21')
  })

  test('maps many, so many at a time, and a direct call stays here', async () => {
    let away = 0
    let most = 0
    const work = task('away-many', async (n: number) => {
      most = Math.max(most, ++away)
      await sleep(1)
      away--
      return [n, place()]
    })
    await serve(work)
    const { state } = await stage.play(
      flow({ name: 'away-2', taskRunner: distributed({ max: 3 }) }, async (_: object) => [
        await work.map([1, 2, 3, 4, 5, 6, 7]),
        await work(8),
      ]),
      {},
    )
    expect(state.data).toEqual([[1, 2, 3, 4, 5, 6, 7].map((n) => [n, 'elsewhere']), [8, 'here']])
    expect(most).toBe(3)
  })

  test('that fails is tried again by its own policy, with one idempotency key', async () => {
    const seen: unknown[] = []
    const flaky = task({ name: 'away-flaky', retries: 2, retryDelaySeconds: 60 }, async () => {
      const { idempotencyKey, runCount } = runtime.taskRun
      seen.push([idempotencyKey, runCount])
      if (seen.length < 3) throw new RangeError(`try ${seen.length}`)
      return 'done'
    })
    await serve(flaky)
    const { id, state, of } = await stage.play(
      flow({ name: 'away-3', taskRunner: distributed() }, async () => flaky.submit().result()),
    )
    expect(state.data).toBe('done')
    const tries = ['Running', 'AwaitingRetry', 'Retrying', 'AwaitingRetry', 'Retrying']
    expect(await of('away-flaky-0')).toEqual(['Pending', ...tries, 'Completed'])
    expect(seen).toEqual([1, 2, 3].map((count) => [`${id}/away-flaky-0`, count]))
  })

  test('throws what its body threw, and is TimedOut by the time that the body takes, not by its wait', async () => {
    const slow = task({ name: 'away-slow', timeoutSeconds: 10 }, async () => {
      await sleep('1h')
    })
    const bad = task('away-bad', async () => {
      throw new RangeError('no such thing')
    })
    const { id } = await play(() =>
      flow({ name: 'away-4', taskRunner: distributed() }, async () => {
        const [late, thrown] = [slow.submit(), bad.submit()]
        return [(await late.wait()).name, await thrown.result({ raiseOnFailure: false })]
      }).start(),
    )
    await stage.harness.advance('10m') // nobody serves them yet
    await serve(slow, bad)
    const state = await stage.harness.until(stage.harness.client.wait(id))
    const [name, thrown] = state.data as [string, Error]
    expect([name, thrown instanceof RangeError, thrown.message]).toEqual(['TimedOut', true, 'no such thing'])
  })

  test('is skipped, cached and limited as any other', async () => {
    await stage.limit('away-limit', 1)
    let runs = 0
    let most = 0
    const limited = task({ name: 'away-limited', concurrency: 'away-limit' }, async () => {
      most = Math.max(most, ++runs)
      await sleep(5)
      runs--
    })
    const cached = task({ name: 'away-cached', cachePolicy: inputs }, async (_: number) => ++runs)
    const skipped = task('away-skipped', async () => skip('not today'))
    await serve(limited, cached, skipped)
    const { state } = await stage.play(
      flow({ name: 'away-5', taskRunner: distributed() }, async () => {
        await Promise.all([limited.submit(), limited.submit()])
        const first = await cached.submit(1).result()
        const second = await cached.submit(1).wait()
        return [first, second.name, second.data, String(await skipped.submit().wait())]
      }),
    )
    expect(state.data).toEqual([1, 'Cached', 1, "Skipped('not today', type=COMPLETED)"])
    expect(most).toBe(1)
  })

  test('is found again by a flow whose process died meanwhile, and its body ran once', async () => {
    let runs = 0
    const began = Promise.withResolvers<void>()
    const long = task({ name: 'away-long', heartbeatSeconds: 600 }, async () => {
      runs++
      began.resolve()
      for (let i = 0; i < 6; i++) {
        await heartbeat()
        await sleep('5m')
      }
      return runs
    })
    await serve(long)
    const run = await play(() =>
      flow({ name: 'away-6', taskRunner: distributed() }, async () => {
        const away = long.submit()
        await sleep('10m')
        return away.result()
      }).start(),
    )
    await stage.harness.until(began.promise)
    expect(await stage.harness.until(run.result())).toBe(1)
  })

  test('is told when its flow is cancelled', async () => {
    const began = Promise.withResolvers<void>()
    const heard = Promise.withResolvers<unknown>()
    const stuck = task('away-stuck', async () => {
      const signal = abortSignal()
      signal.addEventListener('abort', () => heard.resolve(signal.reason))
      began.resolve()
      await sleep('1d')
    })
    await serve(stuck)
    const run = await play(() =>
      flow({ name: 'away-7', taskRunner: distributed() }, () => stuck.submit()).start(),
    )
    await stage.harness.until(began.promise)
    const from = stage.harness.now().getTime()
    await stage.harness.until(run.cancel())
    expect((await stage.harness.until(run.wait())).name).toBe('Cancelled')
    expect(stage.harness.now().getTime() - from).toBeLessThan(10_000)
    expect(await stage.harness.until(heard.promise)).toBe('cancelled')
  })

  test('waits in the queue that it names, and stays here when it says so', async () => {
    const there = task('away-there', async () => place())
    const here = task({ name: 'away-here', runner: 'here' }, async () => place())
    await serve({ queues: ['gpu'] }, here)
    const { state } = await stage.play(
      flow({ name: 'away-8', taskRunner: distributed({ queue: 'gpu' }) }, (_: object) =>
        Promise.all([there.submit(), here.submit()]),
      ),
      {},
    )
    expect(state.data).toEqual(['elsewhere', 'here'])
  })

  test('called with what cannot be stored fails and says so', async () => {
    const take = task('away-take', async (_: () => void) => {})
    const { state } = await stage.play(
      flow({ name: 'away-9', taskRunner: distributed() }, async () => take.submit(() => {}).result()),
    )
    expect(state.error).toMatchObject({ code: 'CB_E_VALUE_UNSERIALISABLE' })
  })
})

test('a task with the runner worker goes to one however it is called', async () => {
  const where = task({ name: 'away-always', runner: 'worker' }, async function* () {
    yield place()
    yield runtime.taskRun.name
  })
  await serve(where)
  const { state } = await stage.play(
    flow({ name: 'away-10', taskRunner: concurrent() }, async (_: object) => {
      const yielded: unknown[] = []
      for await (const value of where()) yielded.push(value)
      return yielded
    }),
    {},
  )
  expect(state.data).toEqual(['elsewhere', 'away-always-0'])
})

describe('the body of a task that runs elsewhere', () => {
  test('may call tasks and flows, which are those of its flow run', async () => {
    let tries = 0
    const inner = task({ name: 'nested-inner', retries: 1 }, async (n: number) => {
      if (++tries === 1) throw new Error('busy')
      return n + 1
    })
    const child = flow('nested-flow', async ({ n }: { n: number }) => n * 10)
    const outer = task('nested-outer', async (n: number) => {
      const parts = [await inner(n), await child({ n })]
      await expect(flow('nested-bad', async () => Promise.reject(new RangeError('bad')))()).rejects.toThrow(
        'bad',
      )
      return [...parts, place()]
    })
    await serve(outer)
    const { id, state } = await stage.play(
      flow({ name: 'nested-1', taskRunner: distributed() }, async (_: object) => outer.submit(1).result()),
      {},
    )
    expect(state.data).toEqual([2, 10, 'elsewhere'])
    const { children, tasks } = await inspect(id)
    expect([...tasks].map(([task, { snapshot }]) => [task, snapshot.tag])).toEqual([
      ['nested-outer-0', 'COMPLETED.Completed'],
      ['nested-outer-0.0/nested-inner-0', 'COMPLETED.Completed'],
    ])
    expect([...children.keys()]).toEqual(['nested-outer-0.0/nested-flow-0', 'nested-outer-0.0/nested-bad-0'])
  })

  test('may leave a part of its work to others in turn', async () => {
    const inner = task({ name: 'nested-away', runner: 'worker' }, async () => place())
    const outer = task({ name: 'nested-outer-2', runner: 'worker' }, async () => [await inner(), place()])
    await serve(outer, inner)
    const { state } = await stage.play(
      flow('nested-2', async (_: object) => outer()),
      {},
    )
    expect(state.data).toEqual(['elsewhere', 'elsewhere'])
  })

  test('gives results of any size', async () => {
    const large = task({ name: 'nested-large', runner: 'worker' }, async (text: string) => text.repeat(2))
    await serve(large)
    const { state } = await stage.play(
      flow('nested-3', async () => (await large('x'.repeat(300_000))).length),
    )
    expect(state.data).toBe(600_000)
  })
})

describe('delay()', () => {
  test('leaves a task to whoever serves it, with its own retries, as a run of its own', async () => {
    let tries = 0
    const mail = task({ name: 'delay-mail', retries: 1, tags: ['mail'] }, async (to: string) => {
      if (++tries === 1) throw new Error('busy')
      return `sent to ${to}`
    })
    const run = await play(() => mail.delay('ann'))
    expect(await play(() => run.name())).toMatch(/^[a-z]+-[a-z]+$/)
    await stage.harness.advance('1m')
    expect((await stage.harness.until(run.state())).name).toBe('Late')
    await serve(mail)
    expect(await stage.harness.until(run.result())).toBe('sent to ann')
    const { created } = await inspect(run.id)
    expect(created).toMatchObject({ flow: 'task:delay-mail', tags: ['mail'] })
    expect(tries).toBe(2)
  })

  test("inside a flow that is replayed is one run, and none of the flow's own", async () => {
    let runs = 0
    const count = task('delay-count', async () => ++runs)
    await serve(count)
    const { id, state } = await stage.play(
      flow('delay-1', async () => {
        const run = await count.delay()
        await sleep('1h')
        return [run.id, await run.result()]
      }),
    )
    expect((state.data as unknown[])[1]).toBe(1)
    expect(runs).toBe(1)
    expect((await inspect(id)).children.size).toBe(0)
  })

  test('of a task with the runner worker is run by the first that takes it', async () => {
    const always = task({ name: 'delay-always', runner: 'worker' }, async () => runtime.flowRun.flowName)
    await serve(always)
    const run = await play(() => always.delay())
    expect(await stage.harness.until(run.result())).toBe('task:delay-always')
  })
})

describe('serveTasks()', () => {
  test('[prefect 83] in several processes gives each run to one of them', async () => {
    const ran = new Map<number, number>()
    const count = task('served-once', async (n: number) => {
      ran.set(n, (ran.get(n) ?? 0) + 1)
      await sleep(1)
    })
    await serve({ limit: 3 }, count)
    const other = await play(() => serveTasks({ limit: 3 }, count))
    const runs = await play(() => Promise.all(Array.from({ length: 20 }, (_, n) => count.delay(n))))
    await stage.harness.until(Promise.all(runs.map((run) => run.result())))
    expect([...ran.keys()].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n))
    expect(new Set(ran.values())).toEqual(new Set([1]))
    for (const { id } of runs) expect((await inspect(id)).flow.context.epoch).toBe(1)
    await play(() => other.stop())
  })

  test('of nothing, or of what is no task, is refused', async () => {
    await expect(serveTasks({})).rejects.toMatchObject({ code: 'CB_E_DEFINITION_INVALID' })
    const no = Object.assign(() => {}, { withState: () => {} })
    await expect(serveTasks(no)).rejects.toThrow('What serveTasks() was given at place 1 is no task.')
    await expect(serveTasks({ limits: 1 } as never)).rejects.toThrow('Did you mean limit?')
  })

  test('runs no more bodies at a time than its limit', async () => {
    let running = 0
    let most = 0
    const work = task('served-limited', async () => {
      most = Math.max(most, ++running)
      await concurrency('unlimited', () => sleep(5))
      running--
    })
    await serve({ limit: 2 }, work)
    const runs = await play(() => Promise.all(Array.from({ length: 5 }, () => work.delay())))
    await stage.harness.until(Promise.all(runs.map((run) => run.result())))
    expect(most).toBe(2)
  })
})
