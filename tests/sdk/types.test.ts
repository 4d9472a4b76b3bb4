/** What TypeScript knows through every way of calling. The functions are never called. */

import { describe, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import {
  allowFailure,
  completed,
  type FlowRunHandle,
  flow,
  type State,
  type TaskFuture,
  type TaskFutureList,
  type TaskStream,
  task,
  unmapped,
} from '../../src/sdk/public.ts'

const add = task('typed-add', async (a: number, b: number) => a + b)
const say = task({ name: 'typed-say' }, (text: string, options?: { loud: boolean }) => ({ text, options }))
const sum = task('typed-sum', async (list: number[]) => list.length)
const state = task('typed-state', async () => completed(42))
const stream = task('typed-stream', function* (): Generator<string> {
  yield 'a'
  yield 'b'
})
const mayFail = task('typed-may-fail', async (value: number | Error) => String(value))

describe('a task', () => {
  test('gives its result through every call', () => {
    expectTypeOf(add).returns.toEqualTypeOf<Promise<number>>()
    expectTypeOf(say).returns.toEqualTypeOf<
      Promise<{ text: string; options: { loud: boolean } | undefined }>
    >()
    expectTypeOf(add.submit).returns.toEqualTypeOf<TaskFuture<number>>()
    expectTypeOf(add.withState).returns.toEqualTypeOf<Promise<State<number>>>()
    expectTypeOf(add.map).returns.toEqualTypeOf<TaskFutureList<number>>()
    expectTypeOf(add.delay).returns.toEqualTypeOf<Promise<FlowRunHandle<number>>>()
    expectTypeOf(add.with({ retries: 1 })).toEqualTypeOf<typeof add>()
    expectTypeOf(add.fn).toEqualTypeOf<(a: number, b: number) => Promise<number>>()
  })

  test('takes values, futures and states, also inside of lists', () => {
    const call = () => {
      const future = add.submit(1, 2)
      add(future, 3)
      add.submit(future, future)
      sum([1, future, 3])
      sum(add.map([1, 2], unmapped(3)))
      mayFail(allowFailure(future))
      // @ts-expect-error a text is no number
      add('1', 2)
      // @ts-expect-error a future of a text is no number
      add(mayFail.submit(1), 2)
      // @ts-expect-error one argument is missing
      add(1)
      // @ts-expect-error this task does not take errors
      add(allowFailure(future), 1)
    }
    expectTypeOf(call).toBeFunction()
  })

  test('gives the data of a state that it returns, and the list of what it yields', () => {
    expectTypeOf(state).returns.toEqualTypeOf<Promise<number>>()
    expectTypeOf(stream).returns.toEqualTypeOf<TaskStream<string>>()
    expectTypeOf(stream.submit).returns.toEqualTypeOf<TaskFuture<string[]>>()
  })

  test('awaits to its result', () => {
    expectTypeOf<Awaited<ReturnType<typeof add.submit>>>().toEqualTypeOf<number>()
    expectTypeOf<Awaited<ReturnType<typeof add.map>>>().toEqualTypeOf<number[]>()
    expectTypeOf<Awaited<ReturnType<typeof stream>>>().toEqualTypeOf<string[]>()
  })
})

describe('a flow', () => {
  const plain = flow('typed-plain', async ({ lat }: { lat: number }) => lat)
  const none = flow('typed-none', async () => 'done')
  const optional = flow('typed-optional', async (options?: { deep: boolean }) => options?.deep)
  const parameters = z.object({ lat: z.number().default(38.9), name: z.coerce.string() })
  const schema = flow(
    { name: 'typed-schema', parameters },
    async ({ lat, name }) => `${name} ${lat.toFixed()}`,
  )
  const allDefaults = flow(
    { name: 'typed-defaults', parameters: z.object({ lat: z.number().default(1) }) },
    async ({ lat }) => lat,
  )

  test('gives its result through every call', () => {
    expectTypeOf(plain).returns.toEqualTypeOf<Promise<number>>()
    expectTypeOf(plain.withState).returns.toEqualTypeOf<Promise<State<number>>>()
    expectTypeOf(plain.start).returns.toEqualTypeOf<Promise<FlowRunHandle<number>>>()
    expectTypeOf(none).returns.toEqualTypeOf<Promise<string>>()
  })

  test('takes what its function takes', () => {
    expectTypeOf(plain).parameters.toEqualTypeOf<[{ lat: number }]>()
    expectTypeOf(none).parameters.toEqualTypeOf<[]>()
    expectTypeOf(optional).parameters.toEqualTypeOf<[options?: { deep: boolean } | undefined]>()
    const call = () => {
      plain.start({ lat: 1 }, { name: 'x' })
      none.start(undefined, { tags: ['a'] })
      optional.start()
      // @ts-expect-error the parameters are missing
      plain.start()
    }
    expectTypeOf(call).toBeFunction()
  })

  test('takes what its schema takes, and hands over what that makes of it', () => {
    expectTypeOf(schema).parameter(0).toExtend<{ lat?: number | undefined; name: unknown } | undefined>()
    expectTypeOf(schema).returns.toEqualTypeOf<Promise<string>>()
    expectTypeOf(allDefaults).parameters.toEqualTypeOf<[parameters?: { lat?: number | undefined }]>()
    expectTypeOf(allDefaults).toBeCallableWith({ lat: 2 })
  })

  test('gives values for the futures that it returns', () => {
    const futures = flow('typed-futures', async () => [add.submit(1, 2), say.submit('x')] as const)
    expectTypeOf(futures).returns.resolves.toEqualTypeOf<
      [number, { text: string; options: { loud: boolean } | undefined }]
    >()
  })
})
