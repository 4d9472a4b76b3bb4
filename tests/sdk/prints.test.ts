import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { flow, getRunLogger, sleep, task } from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

/** What reached the console, and what the logs of the runs hold. */
let printed: string[] = []
const spy = vi.spyOn(console, 'log')
beforeEach(() => {
  printed = []
  spy.mockImplementation((...args) => void printed.push(args.join(' ')))
})
afterEach(() => spy.mockReset())

function businessLogic(text: string) {
  console.log(text)
}

describe('prints', () => {
  const stage = useStage()

  async function linesOf(run: string): Promise<string[]> {
    const lines: string[] = []
    await stage.harness.run(async () => {
      for await (const { message, task } of stage.harness.client.logs(run))
        lines.push(`${task ?? 'flow'}: ${message}`)
    })
    return lines.filter((line) => !line.includes('Finished in state'))
  }

  const inheriting = task('prints-inherits', async () => businessLogic('inherited'))
  const silent = task({ name: 'prints-silent', logPrints: false }, async () =>
    businessLogic('kept to the terminal'),
  )
  const loud = task({ name: 'prints-loud', logPrints: true }, async () => businessLogic('loud'))

  test('[prefect 86] of a flow that asks for them are in its log, by the innermost run; a task opts out', async () => {
    const asking = flow({ name: 'prints-1', logPrints: true }, async () => {
      console.log('from the flow', { n: 1 })
      await inheriting()
      await silent()
      console.log('after')
    })
    const { id } = await stage.play(asking)
    expect(await linesOf(id)).toEqual([
      'flow: from the flow { n: 1 }',
      'prints-inherits-0: inherited',
      'flow: after',
    ])
    expect(printed).toEqual(['kept to the terminal'])
  })

  test('[prefect 86] of a flow that does not ask stay on the terminal; a task opts in', async () => {
    const quiet = flow('prints-2', async () => {
      console.log('from the flow')
      await inheriting()
      await loud()
    })
    const { id } = await stage.play(quiet)
    expect(await linesOf(id)).toEqual(['prints-loud-0: loud'])
    expect(printed).toEqual(['from the flow', 'inherited'])
  })

  test('[prefect 86] belong to their own run when several print at once', async () => {
    const chatty = task('prints-chatty', async (name: string) => {
      console.log(`${name} begins`)
      await sleep(1)
      console.log(`${name} ends`)
    })
    const { id } = await stage.play(
      flow({ name: 'prints-3', logPrints: true }, async () => [chatty.submit('a'), chatty.submit('b')]),
    )
    expect((await linesOf(id)).toSorted()).toEqual([
      'prints-chatty-0: a begins',
      'prints-chatty-0: a ends',
      'prints-chatty-1: b begins',
      'prints-chatty-1: b ends',
    ])
  })

  test('[prefect 86] are as they were when the run is over', async () => {
    const before = console.log
    await stage.play(flow({ name: 'prints-4', logPrints: true }, async () => console.log('inside')))
    expect(console.log).toBe(before)
    console.log('outside')
    expect(printed).toEqual(['outside'])
  })

  test('and errors are in the log with the trace of the user, each attempt once, and what is logged with one', async () => {
    const broken = task({ name: 'prints-broken', retries: 1 }, async () => {
      throw new Error('bad luck', { cause: new TypeError('no coin') })
    })
    const telling = flow('prints-7', async () => {
      await broken().catch((error: unknown) => getRunLogger().error('so it is', { error }))
      await sleep(1)
    })
    const { id } = await stage.play(telling)
    const trace = String.raw`\nError: bad luck\n( +at .*prints\.test\.ts.*\n)+caused by: TypeError: no coin\n( +at .*prints\.test\.ts.*\n?)+$`
    const attempt = expect.stringMatching(new RegExp(`^prints-broken-0: Encountered an exception${trace}`))
    expect(await linesOf(id)).toEqual([
      ...[attempt, attempt],
      expect.stringMatching(new RegExp(`^flow: so it is${trace}`)),
    ])
  })

  describe('with the setting', () => {
    const asked = useStage({ settings: { logPrints: true } })

    test('[prefect 86] are in the log of every run that does not opt out', async () => {
      await asked.play(flow('prints-5', async () => console.log('captured')))
      await asked.play(flow({ name: 'prints-6', logPrints: false }, async () => console.log('not captured')))
      expect(printed).toEqual(['not captured'])
    })
  })
})
