import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  abortSignal,
  flow,
  getRunLogger,
  MissingContextError,
  runtime,
  type State,
  skip,
  sleep,
  task,
} from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()

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
    expect(await stage.resultOf(flow('timeout-flow-2', () => quick()))).toBe('in time')
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
    expect(await stage.resultOf(flow('hooks-flow-1', () => hooked()))).toBe(1)
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
