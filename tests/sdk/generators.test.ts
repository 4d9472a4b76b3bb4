import { describe, expect, test } from 'vitest'
import { flow, sleep, task } from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()

describe('a generator task', () => {
  test('[prefect 88] that fails after its values yields them again with each retry', async () => {
    const failing = task({ name: 'generator-1', retries: 2 }, async function* (): AsyncGenerator<number> {
      yield 1
      yield 2
      throw new Error('no more')
    })
    const { state } = await stage.play(
      flow('generator-flow-1', async () => {
        const seen: unknown[] = []
        try {
          for await (const value of failing()) seen.push(value)
        } catch (error) {
          seen.push(error instanceof Error && error.message)
        }
        return seen
      }),
    )
    expect(state.data).toEqual([1, 2, 1, 2, 1, 2, 'no more'])
  })

  test('[prefect 88] that ends well is not retried, and awaited it is the list', async () => {
    let starts = 0
    const fine = task({ name: 'generator-2', retries: 2 }, function* (count: number): Generator<number> {
      starts++
      for (let i = 0; i < count; i++) yield i
    })
    const { state } = await stage.play(
      flow('generator-flow-2', async () => {
        const seen: number[] = []
        for await (const value of fine(3)) seen.push(value)
        return [seen, await fine(2), await fine.submit(1)]
      }),
    )
    expect(state.data).toEqual([[0, 1, 2], [0, 1], [0]])
    expect(starts).toBe(3)
  })

  test('gives its values from the log in a replay', async () => {
    const seen: unknown[] = []
    let starts = 0
    const fine = task('generator-3', function* (): Generator<string> {
      starts++
      yield 'a'
      yield 'b'
    })
    await stage.play(
      flow('generator-flow-3', async () => {
        for await (const value of fine()) seen.push(value)
        await sleep('1h')
      }),
    )
    expect([seen, starts]).toEqual([['a', 'b', 'a', 'b'], 1])
  })
})
