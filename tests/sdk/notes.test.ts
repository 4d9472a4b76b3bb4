import { describe, expect, test } from 'vitest'
import type { NoteRecord } from '../../src/actors/index.ts'
import { abortSignal, emitEvent, flow, heartbeat, sleep, task } from '../../src/sdk/public.ts'
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
