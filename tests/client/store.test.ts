/** A run as a user interface sees it. */

import { describe, expect, test } from 'vitest'
import { createClient, type LiveEvent, RunFold } from '../../src/client/index.ts'
import { RUN, snapshot, standIn } from './support/stand-in.ts'

const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}.000Z`
const state = (
  type: 'PENDING' | 'RUNNING' | 'COMPLETED' | 'FAILED' | 'CANCELLED',
  name: string,
  second: number,
) => ({
  type,
  name,
  timestamp: at(second),
  details: {},
})

function taskCalled(key: string, second: number): LiveEvent {
  const pending = state('PENDING', 'Pending', second)
  const created = {
    ...{ id: `${RUN}.${key}`, run: RUN, key, name: key, task: 'fetch', state: pending },
    ...{ tags: [], upstream: [], createdAt: at(second), runCount: 0, totalRunMs: 0 },
  }
  return { cursor: '1', at: at(second), kind: 'task', run: RUN, data: { key, state: pending, created } }
}

function task(key: string | undefined, entered: ReturnType<typeof state>): LiveEvent {
  const data = { ...(key === undefined ? {} : { key }), state: entered }
  return { cursor: '1', at: entered.timestamp, kind: 'task', run: RUN, data }
}

function fold(...items: readonly LiveEvent[]): RunFold {
  const folded = new RunFold({ lines: 10 })
  folded.apply({ kind: 'snapshot', cursor: '0', snapshot: snapshot() })
  for (const item of items) folded.apply(item)
  return folded
}

describe('the fold of a run', () => {
  test('follows each task run through its states, with times and counts', () => {
    const { taskRuns, run } = fold(
      taskCalled('fetch-0', 1),
      taskCalled('fetch-1', 1),
      task('fetch-0', state('RUNNING', 'Running', 2)),
      task('fetch-0', state('COMPLETED', 'Completed', 5)),
    )
    expect(taskRuns.map(({ key, state: { name } }) => [key, name])).toEqual([
      ['fetch-0', 'Completed'],
      ['fetch-1', 'Pending'],
    ])
    expect(taskRuns[0]).toMatchObject({ startTime: at(2), endTime: at(5), runCount: 1, totalRunMs: 3_000 })
    expect(run?.taskRuns).toEqual({ COMPLETED: 1, PENDING: 1 })
  })

  test('lets all open task runs end when the run ends under them', () => {
    const { taskRuns } = fold(
      taskCalled('fetch-0', 1),
      task('fetch-0', state('COMPLETED', 'Completed', 2)),
      taskCalled('fetch-1', 2),
      task(undefined, state('CANCELLED', 'Cancelled', 3)),
    )
    expect(taskRuns.map(({ state: { name } }) => name)).toEqual(['Completed', 'Cancelled'])
  })

  test('marks what did not complete as superseded when the run is tried again', () => {
    const running = state('RUNNING', 'Retrying', 4)
    const folded = fold(taskCalled('fetch-0', 1), task('fetch-0', state('FAILED', 'Failed', 2)), {
      ...{ cursor: '2', at: at(4), kind: 'state', run: RUN },
      data: { state: running, again: true },
    })
    expect(folded.taskRuns[0]?.superseded).toBe(true)
    expect(folded.run?.taskRuns).toEqual({})
    folded.apply(taskCalled('fetch-0', 5))
    expect(folded.run?.taskRuns).toEqual({ PENDING: 1 })
  })

  test('keeps the newest lines only', () => {
    const folded = new RunFold({ lines: 3 })
    for (let index = 0; index < 100; index++)
      folded.apply({
        ...{ kind: 'log', cursor: String(index), at: at(1), run: RUN },
        data: { id: String(index), run: RUN, timestamp: at(1), level: 'info', message: `line ${index}` },
      })
    expect(folded.lines.map(({ message }) => message)).toEqual(['line 97', 'line 98', 'line 99'])
  })

  test('takes what a gap says in the place of what it had, and keeps its lines', () => {
    const folded = fold(taskCalled('fetch-0', 1))
    folded.apply({ kind: 'gap', from: '1', to: '9', reason: 'slow-client', snapshot: snapshot() })
    expect(folded.taskRuns).toEqual([])
    expect(folded.run?.name).toBe('brave-otter')
  })
})

describe('the store of a run', () => {
  test('gives the same view until something has changed, and a new one then', async () => {
    const gateway = standIn()
    const store = createClient({ platform: gateway.platform }).flowRuns.store(RUN)
    const leave = store.subscribe(() => {})
    expect(store.getSnapshot().status).toBe('waiting')
    await gateway.clock.advance(100)
    const before = store.getSnapshot()
    expect(before).toMatchObject({ status: 'following', run: { name: 'brave-otter' } })
    expect(store.getSnapshot()).toBe(before)
    gateway.line('hello')
    await gateway.clock.advance(100)
    expect(store.getSnapshot()).not.toBe(before)
    expect(store.getSnapshot().lines.map(({ message }) => message)).toEqual(['hello'])
    leave()
  })

  test('tells its subscribers once for everything that comes in a moment', async () => {
    const gateway = standIn()
    const store = createClient({ platform: gateway.platform }).flowRuns.store(RUN)
    let told = 0
    const leave = store.subscribe(() => told++)
    await gateway.clock.advance(100)
    told = 0
    for (let index = 0; index < 500; index++) gateway.line(`line ${index}`)
    await gateway.clock.advance(100)
    expect(store.getSnapshot().lines).toHaveLength(500)
    expect(told).toBe(1)
    leave()
  })

  test('lets go of the connection with its last subscriber, and goes on where it was with the next', async () => {
    const gateway = standIn()
    const store = createClient({ platform: gateway.platform }).flowRuns.store(RUN)
    const leave = store.subscribe(() => {})
    gateway.line('one')
    await gateway.clock.advance(100)
    leave()
    await gateway.clock.advance(0)
    expect(gateway.now.isOpen).toBe(false)
    gateway.line('two')
    const leaveAgain = store.subscribe(() => {})
    await gateway.clock.advance(100)
    expect(gateway.now.received).toContainEqual(expect.objectContaining({ op: 'subscribe', after: '1' }))
    expect(store.getSnapshot().lines.map(({ message }) => message)).toEqual(['one', 'two'])
    leaveAgain()
  })

  test('says that it cannot be followed, and why', async () => {
    const gateway = standIn()
    gateway.answers = { code: 4403 }
    const store = createClient({ platform: gateway.platform }).flowRuns.store(RUN)
    const leave = store.subscribe(() => {})
    await gateway.clock.advance(100)
    expect(store.getSnapshot()).toMatchObject({ status: 'failed', error: { code: 'REFUSED' } })
    leave()
  })
})
