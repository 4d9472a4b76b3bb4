import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  abortSignal,
  allowFailure,
  asCompleted,
  CancelledRun,
  cancelled,
  completed,
  concurrent,
  type Flow,
  failed,
  flow,
  getRunLogger,
  MissingContextError,
  quote,
  referenceTasks,
  runtime,
  type State,
  sequential,
  skip,
  skipped,
  sleep,
  type TaskFuture,
  task,
  unmapped,
  wait,
} from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()

const double = task('double', async (x: number) => x * 2)
const broken = task('broken', async (_?: unknown): Promise<number> => {
  throw new Error('it is broken')
})

async function resultOf<R>(flow: Flow<[], R>): Promise<R> {
  return (await stage.play(flow)).state.result()
}

describe('a task that is called', () => {
  test('gives its result and throws what it throws, also to a catch of the code', async () => {
    const caught = flow('calls-1', async () => {
      const value = await double(4)
      const error = await broken().catch((thrown: Error) => thrown.message)
      return [value, error]
    })
    expect(await resultOf(caught)).toEqual([8, 'it is broken'])
  })

  test('gives its state instead, when asked', async () => {
    const states = flow('calls-2', async () => {
      const [good, bad] = [await double.withState(1), await broken.withState()]
      return quote2(good, bad)
    })
    const quote2 = (good: State<number>, bad: State<number>) => [String(good), good.data, String(bad)]
    expect(await resultOf(states)).toEqual(['Completed()', 2, "Failed('it is broken')"])
  })

  test('works with if, loops, Promise.all and try as any function does', async () => {
    const code = flow('calls-3', async () => {
      let sum = 0
      for (let i = 0; i < 3; i++) if (i !== 1) sum += await double(i)
      const all = await Promise.all([1, 2, 3].map((x) => double(x)))
      return [sum, all]
    })
    expect(await resultOf(code)).toEqual([4, [2, 4, 6]])
  })

  test('from inside another task has a run of its own', async () => {
    const outer = task('calls-outer', async () => [await double(1), runtime.taskRun.id])
    expect(await resultOf(flow('calls-4', () => outer()))).toEqual([2, 'calls-outer-0'])
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
    expect(await resultOf(both)).toEqual([true, ['first', 'second'], 'Completed()'])
    expect(order).toEqual(['second', 'first'])
  })

  test('waits for futures among its arguments, also inside lists, records and maps', async () => {
    const take = task('submit-take', async (given: unknown) => given)
    const nested = flow('submit-2', async () => {
      const a = double.submit(1)
      const b = double.submit(a)
      return take.submit({ list: [a, b], map: new Map([['b', b]]), state: await b.wait() } as never)
    })
    expect(await resultOf(nested)).toEqual({ list: [2, 4], map: new Map([['b', 4]]), state: 4 })
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
    expect(await resultOf(patient)).toEqual(['CB_E_TIMEOUT', 'there'])
  })

  test('gives its failure as a value when asked', async () => {
    const asked = flow('submit-6', async () => {
      const error = await broken.submit().result({ raiseOnFailure: false })
      return error instanceof Error && error.message
    })
    expect(await resultOf(asked)).toBe('it is broken')
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
    expect(await resultOf(several)).toEqual([
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
    expect(await linesOf(id)).toContainEqual(
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

describe('map', () => {
  const add = task('map-add', async (a: number, b: number) => a + b)

  test('[prefect 76] runs a task for each element, the rest the same for all', async () => {
    const mapped = flow('map-1', async () => add.map([1, 2, 3], unmapped(10)))
    const { id, state } = await stage.play(mapped)
    expect(state.data).toEqual([11, 12, 13])
    expect(await stage.harness.states(id, 'map-add-2')).toEqual(['Pending', 'Running', 'Completed'])
  })

  test('[prefect 76] over lists of unequal lengths is refused with both lengths', async () => {
    const unequal = flow('map-2', async () => add.map([1, 2, 3], [1, 2]))
    const { state } = await stage.play(unequal)
    expect(state.error).toMatchObject({ code: 'CB_E_MAP_LENGTHS' })
    expect(state.message).toContain('argument 1 has 3, argument 2 has 2')
  })

  test('[prefect 76] over nothing is refused', async () => {
    const { state } = await stage.play(flow('map-3', async () => add.map(unmapped(1), unmapped(2))))
    expect(state.error).toMatchObject({ code: 'CB_E_MAP_NOTHING' })
  })

  test('[prefect 76] over a mapped result depends element by element', async () => {
    const chained = flow('map-4', async () => {
      const first = add.map([1, 2], unmapped(1))
      return add.map(first, [10, 20])
    })
    const { id, state } = await stage.play(chained)
    expect(state.data).toEqual([12, 23])
    expect((await upstreamOf(id)).get('map-add-3')).toEqual(['map-add-1'])
  })

  test('waits for a future of a list, and lets each element fail alone', async () => {
    const list = task('map-list', async () => [1, 2, 3])
    const picky = task('map-picky', async (x: number) => {
      if (x === 2) throw new Error('not two')
      return x
    })
    const alone = flow('map-5', async () => {
      const states = await picky.map(list.submit()).wait()
      return states.map(String)
    })
    expect(await resultOf(alone)).toEqual(['Completed()', "Failed('not two')", 'Completed()'])
  })
})

describe('a task whose upstream did not complete', () => {
  test('[prefect 75] is NotReady and never runs', async () => {
    let ran = false
    const after = task('up-after', async (_: number) => {
      ran = true
    })
    const { id, state } = await stage.play(
      flow('up-1', async () => String(await after.submit(broken.submit()).wait())),
    )
    expect(ran).toBe(false)
    expect(state.data).toBe(
      "NotReady('Upstream task run 'broken-0' did not reach a 'COMPLETED' state.', type=PENDING)",
    )
    expect(await stage.harness.states(id, 'up-after-0')).toEqual(['Pending', 'NotReady'])
  })

  test('[prefect 75] gets the error when failure is allowed, also in a list', async () => {
    const look = task('up-look', async (given: unknown) =>
      [given].flat().map((part) => (part instanceof Error ? part.message : part)),
    )
    const allowed = flow('up-2', async () => [
      await look(allowFailure(broken.submit())),
      await look(allowFailure([double.submit(1), broken.submit()])),
    ])
    expect(await resultOf(allowed)).toEqual([['it is broken'], [2, 'it is broken']])
  })

  test.each([
    ['allFinished', 'Completed'],
    ['always', 'Completed'],
    ['anySuccessful', 'Completed'],
    ['anyFailed', 'Completed'],
    ['allFailed', 'TriggerFailed'],
    ['allSuccessful', 'NotReady'],
  ] as const)('runs by its trigger %s with one success and one failure: %s', async (trigger, name) => {
    const triggered = task({ name: `trigger-${trigger}`, trigger }, async (..._: readonly unknown[]) => 1)
    const tried = flow(
      `trigger-flow-${trigger}`,
      async () => (await triggered.waitFor(double.submit(1), broken.submit()).withState()).name,
    )
    expect(await resultOf(tried)).toBe(name)
  })

  test('is skipped with it, unless it says otherwise', async () => {
    const skipping = task('skip-1', async () => skip('not today', 'given'))
    const follows = task('skip-2', async (_: unknown) => 'ran')
    const independent = task(
      { name: 'skip-3', skipOnUpstreamSkip: false },
      async (x: unknown) => `ran with ${x}`,
    )
    const skipped1 = flow('skip-flow', async () => {
      const first = skipping.submit()
      return [
        String(await first.wait()),
        String(await follows.submit(first).wait()),
        await independent.submit(first),
      ]
    })
    expect(await resultOf(skipped1)).toEqual([
      "Skipped('not today', type=COMPLETED)",
      "Skipped('Upstream task run 'skip-1-0' was skipped.', type=COMPLETED)",
      'ran with given',
    ])
  })
})

describe('a flow ends', () => {
  const cancelledTask = task('end-cancelled', async () => cancelled('no more'))

  test.each<[string, () => unknown, string]>([
    ['completed with what it returns', async () => 7, 'Completed()'],
    [
      'completed although a task failed that it does not return',
      async () => void (await broken.withState()),
      'Completed()',
    ],
    [
      'in a state of its own',
      async () => failed('bad weather', { name: 'Rainy' }),
      "Rainy('bad weather', type=FAILED)",
    ],
    ['in a completed state of its own', async () => completed(1, { name: 'Fine' }), 'Fine(type=COMPLETED)'],
    [
      'completed when all futures it returns are',
      async () => [double.submit(1)],
      "Completed('All states completed.')",
    ],
    [
      'failed when one of its futures is',
      async () => [double.submit(1), broken.submit()],
      "Failed('1/2 states failed.')",
    ],
    [
      'failed when one of its states is',
      async () => [await broken.withState(), double.submit(1), 3],
      "Failed('1/2 states failed.')",
    ],
    [
      'cancelled when one of its futures is',
      async () => [broken.submit(), cancelledTask.submit()],
      "Cancelled('1/2 states cancelled.')",
    ],
    ['as the one future that it returns', () => double.submit(1), "Completed('All states completed.')"],
    ['skipped', async () => skip('nothing to do'), "Skipped('nothing to do', type=COMPLETED)"],
    [
      'as the tasks that it refers to',
      async () => {
        referenceTasks(broken.submit())
        return 'cleaned up'
      },
      "Failed('1/1 states failed.')",
    ],
    [
      'completed with its value when those it refers to are',
      async () => {
        referenceTasks([double.submit(1)])
        await broken.withState()
        return 'x'
      },
      "Completed('All reference states completed.')",
    ],
  ])('%s', async (what, code, expected) => {
    const { state } = await stage.play(flow(`end ${what}`, code))
    expect(String(state)).toBe(expected)
  })

  test('cancelled, and reading its result throws CancelledRun', async () => {
    const { state } = await stage.play(flow('end-reading', async () => cancelled()))
    expect(() => state.result()).toThrow(CancelledRun)
    expect(() => state.result()).toThrow('Run cancelled.')
  })
})

describe('parameters', () => {
  const parameters = z.object({
    lat: z.coerce.number().default(38.9),
    tags: z.array(z.object({ name: z.string() })).default([]),
  })

  test('are filled in and coerced by the schema', async () => {
    const weather = flow({ name: 'parameters-1', parameters }, async (given) => given)
    expect((await stage.play(weather, { lat: '52.5' })).state.data).toEqual({ lat: 52.5, tags: [] })
    expect((await stage.play(weather)).state.data).toEqual({ lat: 38.9, tags: [] })
  })

  test('that are wrong fail the run before its code, with every issue and its path; its failure hooks run', async () => {
    const heard: unknown[] = []
    let ran = false
    const weather = flow(
      {
        name: 'parameters-2',
        parameters,
        retries: 3,
        onFailure: (_, run, state) => void heard.push([run.name !== '', state.name]),
      },
      async () => {
        ran = true
      },
    )
    const wrong = { lat: 'north', tags: [{ name: 'a' }, { name: 2 }] }
    const { state, states } = await stage.play(weather, wrong as never)
    expect(ran).toBe(false)
    expect(heard).toEqual([[true, 'Failed']])
    expect(state.error).toMatchObject({ code: 'CB_E_PARAMETERS_INVALID' })
    expect(state.message).toContain('\n  lat: ')
    expect(state.message).toContain('\n  tags[1].name: ')
    expect(states).toEqual(['Scheduled', 'Pending', 'Running', 'Failed'])
  })
})

describe('a time-out', () => {
  test('[prefect 74] ends a task TimedOut, and its flow Failed; its signal fires', async () => {
    let aborted = false
    const slow = task({ name: 'timeout-1', timeoutSeconds: 5 }, async () => {
      abortSignal().addEventListener('abort', () => {
        aborted = true
      })
      await sleep('1h').catch(() => {})
    })
    const run = await stage.play(flow('timeout-flow-1', () => slow()))
    expect(await run.of('timeout-1-0')).toEqual(['Pending', 'Running', 'TimedOut'])
    expect(run.states.at(-1)).toBe('Failed')
    expect(aborted).toBe(true)
  })

  test('[prefect 74] does not meet a task that is fast enough', async () => {
    const quick = task({ name: 'timeout-2', timeoutSeconds: 100 }, async () => {
      await sleep(1)
      return 'in time'
    })
    expect(await resultOf(flow('timeout-flow-2', () => quick()))).toBe('in time')
  })

  test('[prefect 74] ends a flow TimedOut', async () => {
    const slow = flow({ name: 'timeout-flow-3', timeoutSeconds: 5 }, async () => sleep('1h'))
    const { states } = await stage.play(slow)
    expect(states.at(-1)).toBe('TimedOut')
  })
})

describe('hooks', () => {
  test('run in order, and an error in one does not keep the others from running', async () => {
    const heard: string[] = []
    const hook = (name: string) => () => void heard.push(name)
    const failing = () => {
      heard.push('failing')
      throw new Error('hook')
    }
    const hooked = task(
      {
        name: 'hooks-1',
        onRunning: hook('running'),
        onCompletion: [hook('one'), failing, hook('two')],
        onFailure: hook('never'),
      },
      async () => 1,
    )
    expect(await resultOf(flow('hooks-flow-1', () => hooked()))).toBe(1)
    expect(heard).toEqual(['running', 'one', 'failing', 'two'])
  })

  test('that handle states hear of every change', async () => {
    const heard: string[] = []
    let calls = 0
    const onStateChange = (_: unknown, __: unknown, from: State | undefined, to: State) =>
      void heard.push(`${from?.name ?? '-'} → ${to.name}`)
    const flaky = task({ name: 'hooks-2', retries: 1, retryDelaySeconds: 1, onStateChange }, async () => {
      if (++calls === 1) throw new Error('no')
    })
    await stage.play(flow('hooks-flow-2', () => flaky()))
    expect(heard).toEqual([
      '- → Running',
      'Running → AwaitingRetry',
      'AwaitingRetry → Retrying',
      'Retrying → Completed',
    ])
  })
})

describe('the context', () => {
  test('tells who runs, and nothing outside of a run', async () => {
    const inner = task({ name: 'context-task', tags: ['t'] }, async (x: number) => ({
      name: runtime.taskRun.name,
      parameters: runtime.taskRun.parameters,
      flow: runtime.flowRun.parameters,
      key: runtime.taskRun.idempotencyKey?.endsWith('/context-task-0'),
      deployment: runtime.deployment.name,
      x,
    }))
    const told = flow('context-1', async (given: { lat: number }) => [
      runtime.flowRun.name,
      await inner(given.lat),
    ])
    const { state } = await stage.play(told, { lat: 3 })
    expect(state.data).toEqual([
      expect.stringMatching(/^[a-z]+-[a-z]+$/),
      {
        name: 'context-task-0',
        parameters: { x: 3 },
        flow: { lat: 3 },
        key: true,
        deployment: undefined,
        x: 3,
      },
    ])
    expect(runtime.flowRun.name).toBeUndefined()
  })

  test('names runs by a template or a function of the parameters', async () => {
    const greet = task(
      { name: 'context-greet', runName: 'hello-{who}' },
      async (who: string) => `${runtime.taskRun.name} ${who}`,
    )
    const named = flow(
      { name: 'context-2', runName: (given) => `run of ${given.who}` },
      async ({ who }: { who: string }) => [runtime.flowRun.name, await greet(who)],
    )
    expect((await stage.play(named, { who: 'Marvin' })).state.data).toEqual([
      'run of Marvin',
      'hello-Marvin Marvin',
    ])
  })

  test('is overridden in tests', () => {
    const restore = runtime.override({ flowRun: { name: 'a-name' } })
    expect(runtime.flowRun.name).toBe('a-name')
    restore[Symbol.dispose]()
    expect(runtime.flowRun.name).toBeUndefined()
  })

  test.each([
    ['getRunLogger', () => getRunLogger()],
    ['abortSignal', () => abortSignal()],
    ['sleep', () => sleep(1)],
    ['skip', () => skip()],
  ])('that %s needs is missed with a sentence that helps', async (name, call) => {
    const error = await new Promise<unknown>((resolve) => resolve(call())).catch((thrown) => thrown)
    expect(error).toBeInstanceOf(MissingContextError)
    expect(String(error)).toContain(
      `${name}() was called outside of a flow run. Call it inside a flow or a task.`,
    )
  })
})

describe('a quoted argument', () => {
  test('is not looked into', async () => {
    const take = task('quoted', async (given: { future: TaskFuture<number> }) => typeof given.future.id)
    expect(await resultOf(flow('quoted-flow', async () => take(quote({ future: double.submit(1) }))))).toBe(
      'string',
    )
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

async function linesOf(run: string): Promise<string[]> {
  return stage.harness.until(
    (async () => {
      const lines: string[] = []
      for await (const { message } of stage.harness.client.logs(run)) lines.push(message)
      return lines
    })(),
  )
}
