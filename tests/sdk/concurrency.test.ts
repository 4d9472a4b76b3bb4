import { describe, expect, test } from 'vitest'
import { concurrency, flow, rateLimit, sleep, task } from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()

/** What the keeper lets through after all this is over: everything, or a slot was lost. */
async function isFree(name: string, slots: number): Promise<boolean> {
  const { state } = await stage.play(
    flow(`all-of-${name}-${Math.floor(stage.harness.now().getTime())}`, () =>
      concurrency(name, () => true, { occupy: slots, timeout: 0 }),
    ),
  )
  return state.isCompleted()
}

describe('a piece of code with a concurrency limit', () => {
  test('runs, and its result comes from the log in a replay', async () => {
    let runs = 0
    const { state } = await stage.play(
      flow('concurrency-1', async () => {
        const value = await concurrency('database', async () => ++runs)
        await sleep('1h')
        return [value, runs]
      }),
    )
    expect(state.data).toEqual([1, 1])
  })

  test('throws what the code throws, and gives its slots back', async () => {
    await stage.limit('a', 1)
    const { state } = await stage.play(
      flow('concurrency-2', () =>
        concurrency(['a', 'b'], () => {
          throw new Error('inside')
        }),
      ),
    )
    expect(state.message).toBe('inside')
    expect(await isFree('a', 1)).toBe(true)
  })

  test('[prefect 77] [prefect 78] is let in as slots are free, by as many as it occupies, and gives back each once', async () => {
    await stage.limit('pool', 3)
    let held = 0
    let most = 0
    const use = (occupy: number) =>
      concurrency(
        'pool',
        async () => {
          held += occupy
          most = Math.max(most, held)
          await sleep('1m')
          held -= occupy
        },
        { occupy },
      )
    const { state } = await stage.play(
      flow('concurrency-3', () => Promise.all([use(2), use(2), use(1), use(1), use(3)])),
    )
    expect([state.name, most]).toEqual(['Completed', 3])
    expect(await isFree('pool', 3)).toBe(true)
  })

  test('gives up after its time-out with an error, and takes no slot later', async () => {
    await stage.limit('narrow', 1)
    const { state } = await stage.play(
      flow('concurrency-4', async () => {
        const first = concurrency('narrow', () => sleep('10m'))
        const second = await concurrency('narrow', () => 'in', { timeout: '1m' }).catch((error) => error)
        await first
        return [second.code, second.message]
      }),
    )
    expect(state.data).toEqual([
      'CB_E_TIMEOUT',
      'No slot of the concurrency limit "narrow" was free within 1m. Wait longer, or raise the limit.',
    ])
    expect(await isFree('narrow', 1)).toBe(true)
  })

  test('[prefect 81] that asks for more slots than there are is refused at once', async () => {
    await stage.limit('small', 2)
    const { state } = await stage.play(
      flow('concurrency-5', () => concurrency('small', () => 1, { occupy: 3 })),
    )
    expect(state.error).toMatchObject({ code: 'CB_E_LIMIT_EXCEEDED' })
    expect(state.message).toContain('it asks for 3 of the 2 slots that the limit "small" has')
  })

  test('[prefect 81] is let in when no limit has that name, unless it is strict', async () => {
    const { state } = await stage.play(
      flow('concurrency-6', async () => {
        const lax = await concurrency('nowhere', () => 'in')
        const strict = await concurrency('nowhere', () => 'in', { strict: true }).catch(({ code }) => code)
        return [lax, strict]
      }),
    )
    expect(state.data).toEqual(['in', 'CB_E_LIMIT_UNKNOWN'])
  })

  test('is cancelled, and its run with it, by a full limit that wants it so', async () => {
    await stage.limit('strict', 1, { strategy: 'cancelNew' })
    const { state } = await stage.play(
      flow('concurrency-11', async () => {
        const first = concurrency('strict', () => sleep('1m'))
        await sleep(1)
        await concurrency('strict', () => 'in').finally(() => first)
      }),
    )
    expect([state.name, state.message]).toEqual([
      'Cancelled',
      'The concurrency limit "strict" does not let it in: full.',
    ])
  })

  test('gives its slots back when its run is cancelled while it holds them', async () => {
    await stage.limit('held', 1)
    const holds = Promise.withResolvers<void>()
    const run = await stage.harness.run(() =>
      flow({ name: 'concurrency-7', graceSeconds: 1 }, () =>
        concurrency('held', async () => {
          holds.resolve()
          await sleep('1d')
        }),
      ).start(),
    )
    await stage.harness.until(holds.promise)
    await stage.harness.until(run.cancel())
    expect((await stage.harness.until(run.wait())).name).toBe('Cancelled')
    expect(await isFree('held', 1)).toBe(true)
  })

  test('holds them again after its process died, and gives them back once', async () => {
    await stage.limit('kept', 1)
    let tries = 0
    const reached = Promise.withResolvers<void>()
    const run = await stage.harness.run(() =>
      flow('concurrency-8', () =>
        concurrency('kept', async () => {
          tries++
          reached.resolve()
          await sleep('2h')
          return tries
        }),
      ).start(),
    )
    await stage.harness.until(reached.promise)
    await stage.harness.crash()
    expect(await stage.harness.until(run.result())).toBe(2)
    expect(await isFree('kept', 1)).toBe(true)
  })

  test('asks for what it can be given', async () => {
    const { state } = await stage.play(
      flow('concurrency-9', () => concurrency('any', () => 1, { occupy: 0 })),
    )
    expect(state.message).toBe('The option occupy of concurrency() is 0. Give a whole number, 1 or more.')
  })
})

describe('a rate limit', () => {
  test('[prefect 82] lets through as much as decays, whether what it let through is done or not', async () => {
    await stage.limit('mails', 2, { decayPerSecond: 0.1 })
    const { state } = await stage.play(
      flow('rate-1', async () => {
        const from = stage.harness.now().getTime()
        const at: number[] = []
        for (let i = 0; i < 5; i++) {
          await rateLimit('mails')
          at.push(Math.round((stage.harness.now().getTime() - from) / 10_000))
        }
        return at
      }),
    )
    expect(state.data).toEqual([0, 0, 1, 2, 3])
  })

  test('[prefect 81] needs a limit with decay', async () => {
    await stage.limit('fixed', 2)
    const { state } = await stage.play(flow('rate-2', () => rateLimit('fixed')))
    expect(state.error).toMatchObject({ code: 'CB_E_LIMIT_NO_DECAY' })
  })

  test('is not asked again in a replay', async () => {
    await stage.limit('slow', 1, { decayPerSecond: 1 / 3_600 })
    const { state } = await stage.play(
      flow('rate-3', async () => {
        await rateLimit('slow')
        await sleep('10m')
        return 'through'
      }),
    )
    expect(state.data).toBe('through')
  })

  test('gives up after its time-out', async () => {
    await stage.limit('hourly', 1, { decayPerSecond: 1 / 3_600 })
    const { state } = await stage.play(
      flow('rate-4', async () => {
        await rateLimit('hourly')
        await rateLimit('hourly', { timeout: 30 })
      }),
    )
    expect(state.error).toMatchObject({ code: 'CB_E_TIMEOUT' })
  })
})

test('slots that a task needs are had by the option, with the same limits', async () => {
  await stage.limit('shared', 1)
  const inside: string[] = []
  const work = task({ name: 'concurrency-work', concurrency: 'shared' }, async (name: string) => {
    inside.push(name)
    await sleep('1m')
    inside.push(name)
  })
  await stage.play(
    flow('concurrency-10', () =>
      Promise.all([work('a'), concurrency('shared', () => void inside.push('b'))]),
    ),
  )
  expect(inside).toEqual(['a', 'a', 'b'])
})
