import { describe, expect, test } from 'vitest'
import {
  asCompleted,
  concurrent,
  flow,
  MissingContextError,
  quote,
  runtime,
  type State,
  sequential,
  skipped,
  sleep,
  type TaskFuture,
  task,
  wait,
} from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()

const double = task('double', async (x: number) => x * 2)
const broken = task('broken', async (_?: unknown): Promise<number> => {
  throw new Error('it is broken')
})

describe('a task that is called', () => {
  test('gives its result and throws what it throws, also to a catch of the code', async () => {
    const caught = flow('calls-1', async () => {
      const value = await double(4)
      const error = await broken().catch((thrown: Error) => thrown.message)
      return [value, error]
    })
    expect(await stage.resultOf(caught)).toEqual([8, 'it is broken'])
  })

  test('gives its state instead, when asked', async () => {
    const states = flow('calls-2', async () => {
      const [good, bad] = [await double.withState(1), await broken.withState()]
      return quote2(good, bad)
    })
    const quote2 = (good: State<number>, bad: State<number>) => [String(good), good.data, String(bad)]
    expect(await stage.resultOf(states)).toEqual(['Completed()', 2, "Failed('it is broken')"])
  })

  test('works with if, loops, Promise.all and try as any function does', async () => {
    const code = flow('calls-3', async () => {
      let sum = 0
      for (let i = 0; i < 3; i++) if (i !== 1) sum += await double(i)
      const all = await Promise.all([1, 2, 3].map((x) => double(x)))
      return [sum, all]
    })
    expect(await stage.resultOf(code)).toEqual([4, [2, 4, 6]])
  })

  test('from inside another task has a run of its own', async () => {
    const outer = task('calls-outer', async () => [await double(1), runtime.taskRun.id])
    expect(await stage.resultOf(flow('calls-4', () => outer()))).toEqual([2, 'calls-outer-0'])
  })

  test('may call a flow, which is a child run of the flow run', async () => {
    const child = flow('calls-child', async (n: number) => n + 1)
    const outer = task('calls-child-outer', async (n: number) => child(n))
    const { id, state } = await stage.play(flow('calls-6', async () => outer.map([1, 2])))
    expect(state.data).toEqual([2, 3])
    const { children } = await stage.harness.until(stage.harness.client.inspect(id))
    expect([...children.keys()]).toEqual([
      'calls-child-outer-0.0/calls-child-0',
      'calls-child-outer-1.0/calls-child-0',
    ])
  })

  test('outside of any flow is a run too', async () => {
    expect(await stage.harness.run(() => double(21))).toBe(42)
  })

  test('as submit or map outside of a flow says what to do instead', () => {
    expect(() => double.submit(1)).toThrow(MissingContextError)
    expect(() => double.submit(1)).toThrow('await double(…)')
  })
})

describe('a submitted task', () => {
  test('runs beside others, and its future has its state once it has ended', async () => {
    const order: string[] = []
    const slow = task('submit-slow', async (name: string, seconds: number) => {
      await sleep(seconds)
      order.push(name)
      return name
    })
    const both = flow('submit-1', async () => {
      const first = slow.submit('first', 2)
      const second = slow.submit('second', 1)
      const before = first.state
      const results = [await first.result(), await second]
      return [before === undefined, results, String(first.state)]
    })
    expect(await stage.resultOf(both)).toEqual([true, ['first', 'second'], 'Completed()'])
    expect(order).toEqual(['second', 'first'])
  })

  test('waits for futures among its arguments, also inside lists, records and maps', async () => {
    const take = task('submit-take', async (given: unknown) => given)
    const nested = flow('submit-2', async () => {
      const a = double.submit(1)
      const b = double.submit(a)
      return take.submit({ list: [a, b], map: new Map([['b', b]]), state: await b.wait() } as never)
    })
    expect(await stage.resultOf(nested)).toEqual({ list: [2, 4], map: new Map([['b', 4]]), state: 4 })
  })

  test('is linked to the runs it got its inputs from, also by values handed on', async () => {
    const make = task('submit-make', async () => ({ big: 'object' }))
    const take = task('submit-take-2', async (given: unknown) => JSON.stringify(given))
    const linked = flow('submit-3', async () => {
      const made = await make()
      await take(made)
      await take(make.submit())
    })
    const { id } = await stage.play(linked)
    const upstream = await upstreamOf(id)
    expect(upstream.get('submit-take-2-0')).toEqual(['submit-make-0'])
    expect(upstream.get('submit-take-2-1')).toEqual(['submit-make-1'])
  })

  test('starts after what it waits for without getting it', async () => {
    const order: string[] = []
    const mark = task('submit-mark', async (name: string, seconds: number) => {
      await sleep(seconds)
      order.push(name)
    })
    await stage.play(
      flow('submit-4', async () => {
        const first = mark.submit('first', 5)
        await mark.waitFor(first).submit('second', 0)
      }),
    )
    expect(order).toEqual(['first', 'second'])
  })

  test('gives up waiting for its result after a time, and goes on', async () => {
    const slow = task('submit-slow-2', async () => {
      await sleep(60)
      return 'there'
    })
    const patient = flow('submit-5', async () => {
      const future = slow.submit()
      const early = await future.result({ timeout: 1 }).catch((error) => error.code)
      return [early, await future.result()]
    })
    expect(await stage.resultOf(patient)).toEqual(['CB_E_TIMEOUT', 'there'])
  })

  test('gives its failure as a value when asked', async () => {
    const asked = flow('submit-6', async () => {
      const error = await broken.submit().result({ raiseOnFailure: false })
      return error instanceof Error && error.message
    })
    expect(await stage.resultOf(asked)).toBe('it is broken')
  })

  test('calls back when it is done; several are given as they end', async () => {
    const seen: string[] = []
    const slow = task('submit-slow-3', async (seconds: number) => {
      await sleep(seconds)
      return seconds
    })
    const several = flow('submit-7', async () => {
      const futures = [3, 1, 2].map((seconds) => slow.submit(seconds))
      futures[0]?.onDone((future) => seen.push(future.id))
      const order: (number | undefined)[] = []
      for await (const state of asCompleted(futures)) order.push(state.data)
      const states = await wait(futures)
      return [order, states.map(String)]
    })
    expect(await stage.resultOf(several)).toEqual([
      [1, 2, 3],
      ['Completed()', 'Completed()', 'Completed()'],
    ])
    expect(seen).toEqual(['submit-slow-3-0'])
  })

  test('that nobody awaits is waited for at the end of the flow, with a warning', async () => {
    let done = false
    const slow = task('submit-forgotten', async () => {
      await sleep(10)
      done = true
    })
    const { id } = await stage.play(
      flow('submit-8', async () => {
        slow.submit()
      }),
    )
    expect(done).toBe(true)
    expect(await stage.linesOf(id)).toContainEqual(
      expect.stringContaining('1 submitted task runs were never awaited'),
    )
  })

  test('passes through the task runner: one after another, or so many at a time', async () => {
    const most = async (name: string, taskRunner: ReturnType<typeof concurrent>) => {
      let running = 0
      let most = 0
      const slow = task(`runner-${name}`, async () => {
        running++
        most = Math.max(most, running)
        await sleep(1)
        running--
      })
      await stage.play(
        flow({ name: `runner-flow-${name}`, taskRunner }, async () => {
          for (let i = 0; i < 5; i++) slow.submit()
        }),
      )
      return most
    }
    expect(await most('sequential', sequential())).toBe(1)
    expect(await most('two', concurrent({ max: 2 }))).toBe(2)
    expect(await most('all', concurrent())).toBe(5)
  })
})

describe('a quoted argument', () => {
  test('is not looked into', async () => {
    const take = task('quoted', async (given: { future: TaskFuture<number> }) => typeof given.future.id)
    expect(
      await stage.resultOf(flow('quoted-flow', async () => take(quote({ future: double.submit(1) })))),
    ).toBe('string')
  })
})

describe('a skipped state', () => {
  test('that is returned skips the task', async () => {
    const returning = task('returned-skip', async () => skipped('done before'))
    const { of } = await stage.play(flow('returned-skip-flow', async () => void (await returning())))
    expect(await of('returned-skip-0')).toEqual(['Pending', 'Running', 'Skipped'])
  })
})

/** Which task runs each task run depends on. */
async function upstreamOf(run: string): Promise<Map<string, readonly string[]>> {
  const upstream = new Map<string, readonly string[]>()
  const state = await stage.harness.until(stage.harness.client.inspect(run))
  for (const [id, { upstream: from }] of state.tasks) upstream.set(id, from)
  return upstream
}
