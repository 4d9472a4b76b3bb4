/** The picture of a run, line by line. */

import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { Output } from '../../src/cli/output/index.ts'
import { drawRun } from '../../src/cli/watch/tree.ts'
import { type LiveEvent, RunFold } from '../../src/client/index.ts'
import { virtualClock } from '../../src/core/index.ts'
import { RUN, snapshot } from '../client/support/stand-in.ts'

const clock = virtualClock()
const out = new Output({ stdout: new PassThrough(), stderr: new PassThrough() }, clock)
const at = (second: number) => new Date(clock.now() + second * 1_000).toISOString()
const state = (
  type: 'PENDING' | 'RUNNING' | 'COMPLETED' | 'FAILED',
  name: string,
  second: number,
  message?: string,
) => ({
  ...{ type, name, timestamp: at(second), details: {} },
  ...(message === undefined ? {} : { message }),
})

function called(task: string, key: string, second: number): LiveEvent {
  const pending = state('PENDING', 'Pending', second)
  const created = {
    ...{ id: `${RUN}.${key}`, run: RUN, key, name: key, task, state: pending, tags: [], upstream: [] },
    ...{ createdAt: at(second), runCount: 0, totalRunMs: 0 },
  }
  return { cursor: '1', at: at(second), kind: 'task', run: RUN, data: { key, state: pending, created } }
}

function entered(key: string, to: ReturnType<typeof state>): LiveEvent {
  return { cursor: '1', at: to.timestamp, kind: 'task', run: RUN, data: { key, state: to } }
}

function said(message: string): LiveEvent {
  const data = { id: '1', run: RUN, timestamp: at(1), level: 'info', message } as const
  return { cursor: '1', at: at(1), kind: 'log', run: RUN, data }
}

function picture(items: readonly LiveEvent[], rows = 24): string[] {
  const fold = new RunFold({ lines: 100 })
  fold.apply({ kind: 'snapshot', cursor: '0', snapshot: snapshot() })
  for (const item of items) fold.apply(item)
  return drawRun(fold, out, clock.now() + 10_000, { columns: 80, rows }).split('\n')
}

describe('the picture of a run', () => {
  test('shows the run, and each task run with its state and how long it runs', () => {
    const [run, first, second, third] = picture([
      called('fetch', 'fetch-0', 1),
      called('fetch', 'fetch-1', 1),
      called('save', 'save-0', 1),
      entered('fetch-0', state('RUNNING', 'Running', 2)),
      entered('fetch-0', state('COMPLETED', 'Completed', 5)),
      entered('fetch-1', state('RUNNING', 'Running', 6)),
    ])
    expect(run).toMatch(/brave-otter \(weather\) +Running +10\.0s +1 completed, 1 running, 1 pending/)
    expect(first).toBe('  ✓ fetch-0  Completed  3.0s')
    expect(second).toBe('  ◐ fetch-1  Running  4.0s')
    expect(third).toBe('  ○ save-0  Pending')
  })

  test('says at which attempt a task is, and why', () => {
    const [, line] = picture([
      called('fetch', 'fetch-0', 1),
      entered('fetch-0', state('RUNNING', 'Running', 2)),
      entered('fetch-0', state('PENDING', 'AwaitingRetry', 3, 'The service answered 503.')),
      entered('fetch-0', state('RUNNING', 'Retrying', 4)),
      entered('fetch-0', state('FAILED', 'Failed', 5, 'The service answered 503.')),
    ])
    expect(line).toBe('  ✗ fetch-0  Failed  2.0s  attempt 2  The service answered 503.')
  })

  test('draws a task that was called many times as one line with a bar', () => {
    const keys = Array.from({ length: 40 }, (_, index) => `fetch-${index}`)
    const lines = picture([
      ...keys.map((key) => called('fetch', key, 1)),
      ...keys.slice(0, 10).map((key) => entered(key, state('COMPLETED', 'Completed', 2))),
    ])
    expect(lines[1]).toMatch(/◐ fetch ×40 +███░{9} 10 completed, 30 pending/)
    expect(lines).toHaveLength(2)
  })

  test('keeps to the height of the terminal and says what it leaves out', () => {
    const tasks = Array.from({ length: 50 }, (_, index) => called(`task${index}`, `task${index}-0`, 1))
    const lines = picture([...tasks, said('one'), said('two')], 20)
    expect(lines.length).toBeLessThan(20)
    expect(lines.join('\n')).toMatch(/… and 36 lines above/)
    expect(lines.at(-1)).toContain('two')
  })

  test('counts the rows of a line, and shows the last ones', () => {
    const trace = ['it broke', ...Array.from({ length: 9 }, (_, row) => `    at place ${row}`)].join('\n')
    const lines = picture([said('before'), said(trace)], 20)
    expect(lines.slice(-6)).toEqual([3, 4, 5, 6, 7, 8].map((row) => `    at place ${row}`))
    expect(lines).toHaveLength(1 + 1 + 6)
  })
})
