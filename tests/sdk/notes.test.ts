import { describe, expect, test } from 'vitest'
import type { NoteRecord } from '../../src/actors/index.ts'
import {
  abortSignal,
  createArtifact,
  emitEvent,
  flow,
  heartbeat,
  progress,
  sleep,
  task,
} from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()

async function notes(run: string, kind: string): Promise<NoteRecord[]> {
  const found: NoteRecord[] = []
  const read = async () => {
    for await (const records of stage.harness.client.records(run))
      for (const record of records) if (record.k === 'note' && record.kind === kind) found.push(record)
  }
  await stage.harness.until(read())
  return found
}

describe('an event', () => {
  test('is in the log of its run, with what it happened to and what it carries', async () => {
    const ship = task('notes-ship', () =>
      emitEvent('order.shipped', { resource: { id: 'order/42', shop: 'north' }, payload: { parcels: 2n } }),
    )
    const { id } = await stage.play(flow('notes-1', () => ship()))
    expect(await notes(id, 'event')).toMatchObject([
      {
        task: 'notes-ship-0',
        data: {
          id: `${id}/notes-ship-0.0/event:order.shipped-0`,
          event: 'order.shipped',
          resource: { id: 'order/42', shop: 'north' },
        },
      },
    ])
  })

  test('that is told again in a replay has the same id', async () => {
    const { id } = await stage.play(
      flow('notes-2', async () => {
        await emitEvent('began')
        await emitEvent('began')
        await sleep('1h')
        await emitEvent('ended')
      }),
    )
    const ids = (await notes(id, 'event')).map(({ data }) => data.id)
    expect(new Set(ids)).toEqual(
      new Set([`${id}/event:began-0`, `${id}/event:began-1`, `${id}/event:ended-0`]),
    )
  })

  test('outside of a run is refused', async () => {
    await expect(emitEvent('x')).rejects.toMatchObject({ code: 'CB_E_CONTEXT_MISSING' })
  })
})

describe('an artifact of a flow', () => {
  test('is kept once, however often the code runs from the top', async () => {
    const { id } = await stage.play(
      flow('notes-artifacts', async () => {
        await createArtifact({ kind: 'markdown', key: 'report', markdown: 'begun' })
        await createArtifact({ kind: 'markdown', key: 'report', markdown: 'begun' })
        await createArtifact({ kind: 'table', table: [{ city: 'Oslo', pop: 7n }] })
        await sleep('1h')
        await createArtifact({ kind: 'markdown', key: 'report', markdown: 'done' })
        await sleep('1h')
      }),
    )
    expect((await notes(id, 'artifact')).map(({ data }) => data.markdown ?? data.kind)).toEqual([
      'begun',
      'begun',
      'table',
      'done',
    ])
  })

  test('is kept again when a retry says something else', async () => {
    let attempt = 0
    const { id } = await stage.play(
      flow({ name: 'notes-retried', retries: 1 }, async () => {
        attempt++
        await createArtifact({ kind: 'link', link: 'https://same.example' })
        await createArtifact({ kind: 'progress', progress: attempt * 50 })
        if (attempt === 1) throw new Error('not yet')
      }),
    )
    expect((await notes(id, 'artifact')).map(({ data }) => data.progress ?? data.link)).toEqual([
      'https://same.example',
      50,
      100,
    ])
  })
})

describe('what is no note', () => {
  test.each<[what: string, say: () => Promise<void>, words: string]>([
    ['nothing', () => createArtifact(null as never), 'Give an object with a kind'],
    ['a text', () => createArtifact('# Done' as never), 'Give an object with a kind'],
    ['another kind', () => createArtifact({ kind: 'picture' } as never), "one of 'markdown', 'table'"],
    ['an empty one', () => createArtifact({ kind: 'markdown' } as never), 'There is no markdown in'],
    ['a misspelt field', () => createArtifact({ kind: 'link', lnik: 'x' } as never), 'Did you mean link?'],
    ['rows that are none', () => createArtifact({ kind: 'table', table: [1] as never }), 'a list of objects'],
    ['too much', () => createArtifact({ kind: 'progress', progress: 101 }), 'from 0 to 100'],
    ['an empty key', () => createArtifact({ kind: 'image', url: 'x', key: '' }), 'The option key of'],
    ['half a progress', () => progress('1' as never, 2), 'The option done of progress()'],
    ['an event without a name', () => emitEvent('' as never), 'The option event of emitEvent()'],
    [
      'what it did not happen to',
      () => emitEvent('x', { resource: { name: 'x' } as never }),
      'an object with an id',
    ],
  ])('%s is refused with what to give, and the run is intact', async (_, say, words) => {
    const { id, state } = await stage.play(flow('notes-wrong', () => say()))
    expect(state).toMatchObject({ type: 'FAILED' })
    expect(state.message).toContain(words)
    expect(await notes(id, 'artifact')).toEqual([])
  })
})

describe('a task with heartbeatSeconds', () => {
  test('goes on for as long as it says that it lives, and people are told every half a minute', async () => {
    const slow = task({ name: 'notes-alive', heartbeatSeconds: 10 }, async () => {
      for (let i = 0; i < 20; i++) {
        await heartbeat()
        await sleep(6)
      }
      return 'done'
    })
    const { id, state } = await stage.play(flow('notes-3', () => slow()))
    expect(state.data).toBe('done')
    expect(await notes(id, 'heartbeat')).toHaveLength(4)
  })

  test('is TimedOut when it falls silent, its signal fires, and it is tried again', async () => {
    const attempts: boolean[] = []
    const hangs = task({ name: 'notes-silent', heartbeatSeconds: 10, retries: 1 }, async () => {
      const signal = abortSignal()
      attempts.push(signal.aborted)
      signal.addEventListener('abort', () => attempts.push(signal.aborted))
      await heartbeat()
      await sleep('1h')
    })
    const { state, of } = await stage.play(flow('notes-4', () => hangs()))
    expect(state.message).toBe('The task gave no sign of life for 10s.')
    expect(await of('notes-silent-0')).toEqual(['Pending', 'Running', 'Retrying', 'TimedOut'])
    expect(attempts).toEqual([false, true, false, true])
  })
})

test('a flow may say that it lives too', async () => {
  const { id } = await stage.play(flow('notes-5', () => heartbeat()))
  expect(await notes(id, 'heartbeat')).toMatchObject([{ kind: 'heartbeat' }])
})
