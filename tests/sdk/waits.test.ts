import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  approval,
  type Flow,
  flow,
  pauseFlowRun,
  resumeFlowRun,
  retryFlowRun,
  sendSignal,
  sleep,
  suspendFlowRun,
  task,
  waitForSignal,
} from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()

/** Starts a run and lets it come to rest. */
async function begin<R>(flow: Flow<[], R>) {
  const run = await stage.harness.run(() => flow.start())
  await stage.harness.advance(1)
  return run
}

const nameOf = async (run: { state(): Promise<{ name: string }> }) =>
  (await stage.harness.until(run.state())).name

describe('a pause', () => {
  const step = task('pause-step', async (n: number) => n)

  test('[prefect 25] that is never resumed fails the run; nothing after it runs', async () => {
    const ran: number[] = []
    const note = task('pause-note', async (n: number) => void ran.push(n))
    const forgotten = flow('pause-1', async () => {
      await note(1)
      await note(2)
      await pauseFlowRun({ timeoutSeconds: '100ms' })
      await note(3)
    })
    const { state, states } = await stage.play(forgotten)
    expect(ran).toEqual([1, 2])
    expect(String(state)).toBe("Failed('The flow was paused and never resumed.')")
    expect(states).toEqual(['Scheduled', 'Pending', 'Running', 'Paused', 'Paused', 'Failed'])
  })

  test('[prefect 26] that is resumed goes on with what is left', async () => {
    const run = await begin(
      flow('pause-2', async () => {
        const before = await step.map([1, 2])
        await pauseFlowRun({ timeoutSeconds: 600 })
        return [...before, ...(await step.map([3, 4, 5]))]
      }),
    )
    expect(await nameOf(run)).toBe('Paused')
    await stage.harness.run(() => resumeFlowRun(run.id))
    expect(await stage.harness.until(run.result())).toEqual([1, 2, 3, 4, 5])
  })

  test('[prefect 27] of the same key does not hold a second time', async () => {
    const run = await begin(
      flow('pause-3', async () => {
        await pauseFlowRun({ key: 'once' })
        await pauseFlowRun({ key: 'once' })
        return 'through'
      }),
    )
    await stage.harness.until(run.resume())
    expect(await stage.harness.until(run.result())).toBe('through')
  })

  test('[prefect 28] in a task pauses the flow run', async () => {
    const pausing = task('pause-in-task', async () => {
      await pauseFlowRun()
      return 'after'
    })
    const run = await begin(flow('pause-4', () => pausing()))
    expect(await nameOf(run)).toBe('Paused')
    await stage.harness.until(run.resume())
    expect(await stage.harness.until(run.result())).toBe('after')
  })

  test('[prefect 29] gives the input that it was resumed with, and refuses another', async () => {
    const run = await begin(flow('pause-5', async () => pauseFlowRun({ input: z.object({ x: z.number() }) })))
    const wrong = await stage.harness.until(run.resume({ x: 'no number' }).catch((error) => error))
    expect(wrong).toMatchObject({ code: 'CB_E_SIGNAL_REJECTED' })
    expect(await nameOf(run)).toBe('Paused')
    await stage.harness.until(run.resume({ x: 42 }))
    expect(await stage.harness.until(run.result())).toEqual({ x: 42 })
  })

  test('[prefect 30] asks for a plain value', async () => {
    const run = await begin(flow('pause-6', async () => (await pauseFlowRun({ input: Number })) + 1))
    await stage.harness.until(run.resume({ value: 42 }))
    expect(await stage.harness.until(run.result())).toBe(43)
  })

  test('from outside takes hold before the next task starts', async () => {
    const slow = task('pause-outside', async (n: number) => {
      await sleep(10)
      return n
    })
    const run = await begin(flow('pause-7', async () => [await slow(1), await slow(2)]))
    await stage.harness.run(() => pauseFlowRun(run.id))
    await stage.harness.advance('10m')
    expect(await nameOf(run)).toBe('Paused')
    expect(
      await stage.harness.until(stage.harness.client.inspect(run.id)).then(({ tasks }) => tasks.size),
    ).toBe(2)
    await stage.harness.until(run.resume())
    expect(await stage.harness.until(run.result())).toEqual([1, 2])
  })
})

describe('a suspension', () => {
  test('[prefect 31] leaves the process within moments, and runs again from the top on resume', async () => {
    const runs: string[] = []
    const step = task('suspend-step', async () => void runs.push('step'))
    const run = await begin(
      flow('suspend-1', async () => {
        runs.push('top')
        await step()
        await suspendFlowRun()
        return 'after'
      }),
    )
    expect(await nameOf(run)).toBe('Suspended')
    await stage.harness.until(run.resume())
    expect(await stage.harness.until(run.result())).toBe('after')
    expect(runs).toEqual(['top', 'step', 'top'])
  })

  test('[prefect 32] needs no deployment, and works in a child flow too', async () => {
    const child = flow('suspend-child', async () => suspendFlowRun({ input: Number }))
    const parent = await begin(flow('suspend-2', async () => child()))
    const state = await stage.harness.until(stage.harness.client.inspect(parent.id))
    const [first] = [...state.children.values()]
    const handle = stage.harness.client.handle(first?.run ?? '')
    expect(await nameOf(handle)).toBe('Suspended')
    await stage.harness.until(handle.resume({ value: 7 }))
    expect(await stage.harness.until(parent.result())).toBe(7)
  })

  test('[prefect 33] gives its input when the code comes there again', async () => {
    const run = await begin(
      flow('suspend-3', async () =>
        suspendFlowRun({ timeoutSeconds: null, input: z.object({ who: z.string() }) }),
      ),
    )
    await stage.harness.advance('6h')
    await stage.harness.until(run.resume({ who: 'Marvin' }))
    expect(await stage.harness.until(run.result())).toEqual({ who: 'Marvin' })
  })
})

describe('a sleep', () => {
  test('that is long leaves the process, and the run goes on in time', async () => {
    const { state, states } = await stage.play(
      flow('sleep-1', async () => {
        await sleep('6h')
        return 'awake'
      }),
    )
    expect(state.data).toBe('awake')
    expect(states).toEqual([
      'Scheduled',
      'Pending',
      'Running',
      'Sleeping',
      'Resuming',
      'Pending',
      'Running',
      'Completed',
    ])
  })
})

describe('a signal', () => {
  test('is waited for, and may have come before', async () => {
    const run = await begin(
      flow('signal-1', async () => {
        const first = await waitForSignal('go', { schema: z.object({ n: z.number() }) })
        await sleep(60)
        return [first.n, await waitForSignal('go')]
      }),
    )
    await stage.harness.until(run.signal('go', { n: 1 }))
    await stage.harness.until(run.signal('go', 2))
    expect(await stage.harness.until(run.result())).toEqual([1, 2])
  })

  test('that does not come in time is what its onTimeout says', async () => {
    const given = flow('signal-2', async () =>
      waitForSignal('never', { timeout: '1h', onTimeout: 'gave up' }),
    )
    expect((await stage.play(given)).state.data).toBe('gave up')
    const thrown = flow('signal-3', async () => waitForSignal('never', { timeout: '1h' }))
    expect((await stage.play(thrown)).state.error).toMatchObject({ code: 'CB_E_TIMEOUT' })
  })

  test('is sent from one run to another, once, also when that is replayed', async () => {
    const receiver = await begin(
      flow('signal-4', async () => [await waitForSignal('word'), await waitForSignal('word')]),
    )
    const sender = flow('signal-5', async () => {
      await sendSignal(receiver.id, 'word', 'one')
      await sleep('1h') // leaves the process; what is above runs again
      await sendSignal(receiver.id, 'word', 'two')
    })
    await stage.play(sender)
    expect(await stage.harness.until(receiver.result())).toEqual(['one', 'two'])
  })
})

describe('an approval', () => {
  const ask = (name: string, options: object) =>
    flow(`approval-${name}`, async () => approval({ message: 'Ship it?', ...options }))

  test('waits for its quorum and tells who decided', async () => {
    const run = await begin(ask('quorum', { quorum: 2 }))
    const decide = (principal: string, approved: boolean) =>
      stage.harness.until(
        stage.harness.client.signal(run.id, 'approval', { by: { channel: 'chat', principal } }, { approved }),
      )
    await decide('ann', true)
    await decide('ann', true)
    await decide('bob', true)
    expect(await stage.harness.until(run.result())).toEqual({
      approved: true,
      by: ['ann', 'bob'],
      comment: undefined,
      timedOut: false,
    })
  })

  test('is rejected when nobody decides in time', async () => {
    expect((await stage.play(ask('late', { timeout: '1d' }))).state.data).toMatchObject({
      approved: false,
      timedOut: true,
    })
  })
})

describe('a run', () => {
  test('that is cancelled ends Cancelled, its code is told, and reading its result throws', async () => {
    const told: string[] = []
    const slow = flow({ name: 'cancel-1', onCancellation: (of) => void told.push(of.name) }, async () =>
      sleep('1d'),
    )
    const run = await begin(slow)
    await stage.harness.until(run.cancel())
    const state = await stage.harness.until(run.wait())
    expect([state.name, told]).toEqual(['Cancelled', ['cancel-1']])
    expect(() => state.result()).toThrow('Run cancelled.')
  })

  test('that ended does not take a resume, and says what it takes', async () => {
    const { id } = await stage.play(flow('control-1', async () => 1))
    const error = await stage.harness.run(() => resumeFlowRun(id).catch((thrown) => thrown))
    expect(error).toMatchObject({ code: 'CB_E_SIGNAL_REJECTED', details: { legalSignals: ['retry'] } })
  })

  test('that failed is retried from outside', async () => {
    let runs = 0
    const { id } = await stage.play(
      flow('control-2', async () => {
        if (++runs === 1) throw new Error('no')
        return 'yes'
      }),
    )
    await stage.harness.run(() => retryFlowRun(id))
    expect(await stage.harness.until(stage.harness.client.handle(id).result())).toBe('yes')
  })

  test('is one for each idempotency key', async () => {
    const once = flow('control-3', async () => 1)
    const first = await stage.harness.run(() => once.start(undefined, { idempotencyKey: 'k' }))
    const second = await stage.harness.run(() => once.start(undefined, { idempotencyKey: 'k' }))
    expect(second.id).toBe(first.id)
  })

  test('that is to start later starts then', async () => {
    const later = flow('control-4', async () => stage.harness.now().toISOString())
    const scheduledTime = new Date(stage.harness.now().getTime() + 3_600_000)
    const run = await stage.harness.run(() => later.start(undefined, { scheduledTime }))
    expect(await nameOf(run)).toBe('Scheduled')
    expect(await stage.harness.until(run.result())).toBe(scheduledTime.toISOString())
  })
})
