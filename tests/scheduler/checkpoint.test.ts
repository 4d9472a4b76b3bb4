import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { decodeEntry, type RunState } from '../../src/actors/index.ts'
import type { Cursor } from '../../src/broker/index.ts'
import { checkpointKey, encodeCheckpoint, loadCheckpoint } from '../../src/scheduler/checkpoint.ts'
import { rowOfState } from '../../src/scheduler/run-row.ts'
import { RunTable } from '../../src/scheduler/table.ts'
import { historyPlan, play } from './history.ts'
import { makeStage, type Stage } from './stage.ts'

const SILENT = { armed() {}, disarmed() {} }
const CURSOR = '17' as Cursor

let stage: Stage
beforeEach(async () => {
  stage = await makeStage()
})
afterEach(() => stage.close())

const put = (data: Uint8Array) => stage.drive(stage.home.broker.objects.put(checkpointKey(7), data))
const load = (partition = 7) =>
  stage.drive(loadCheckpoint(stage.home.broker.objects, stage.home.deps, partition))

function tableOf(plan: Parameters<typeof play>[1], upTo: number): RunTable {
  const { entries, states } = play('run-0', plan)
  const table = new RunTable(SILENT)
  for (const [index, entry] of entries.slice(0, upTo).entries()) {
    const records = decodeEntry(entry)
    if (table.fold(entry, records).mustRead)
      table.foldRead(entry, records, rowOfState(structuredClone(states[index] as RunState)))
  }
  return table
}

vi.setConfig({ testTimeout: 60_000 }) // many histories

describe('a checkpoint', () => {
  test('and what came after it make the table that the whole log makes, wherever it was taken', async () => {
    await fc.assert(
      fc.asyncProperty(historyPlan, fc.nat(), async (plan, cut) => {
        const { entries, states } = play('run-0', plan)
        const at = cut % (entries.length + 1)
        await put(
          encodeCheckpoint(7, { cursor: CURSOR, retained: undefined, rows: tableOf(plan, at).rows() }).data,
        )
        const restored = new RunTable(SILENT)
        for (const row of (await load())?.rows ?? []) restored.adopt(row)
        for (const [index, entry] of entries.slice(at).entries()) {
          const records = decodeEntry(entry)
          if (restored.fold(entry, records).mustRead)
            restored.foldRead(entry, records, rowOfState(structuredClone(states[at + index] as RunState)))
        }
        const whole = tableOf(plan, entries.length)
        expect(encodeCheckpoint(7, { cursor: CURSOR, retained: undefined, rows: restored.rows() })).toEqual(
          encodeCheckpoint(7, { cursor: CURSOR, retained: undefined, rows: whole.rows() }),
        )
      }),
      { numRuns: 60 },
    )
  })

  test('keeps both cursors', async () => {
    await put(encodeCheckpoint(7, { cursor: CURSOR, retained: '3' as Cursor, rows: [] }).data)
    expect(await load()).toMatchObject({ cursor: '17', retained: '3', rows: [] })
  })

  test('that is missing is one of nothing, without a word', async () => {
    expect(await load()).toMatchObject({ cursor: undefined, retained: undefined, rows: [] })
    expect(stage.home.lines.filter(({ level }) => level === 'warn')).toEqual([])
  })

  const good = () => {
    const plan = {
      happenings: [],
      laterMs: 60_000,
      limits: [],
      timeoutMs: null,
      retries: 0,
      hasParent: false,
    }
    const rows = tableOf(plan, 1).rows()
    return Buffer.from(encodeCheckpoint(7, { cursor: CURSOR, retained: undefined, rows }).data)
  }
  const damages: [string, (data: Buffer) => Uint8Array][] = [
    ['cut short', (data) => data.subarray(0, data.length - 20)],
    ['without its rows', (data) => data.subarray(0, data.indexOf('\n') + 1)],
    ['changed by one character', (data) => Buffer.from(data.toString().replace('SCHEDULED', 'SCHEDULES'))],
    ['empty', () => Buffer.alloc(0)],
    ['no JSON', () => Buffer.from('what is this\n')],
    ['of a later version', (data) => Buffer.from(data.toString().replace('{"v":1', '{"v":2'))],
    [
      'of another partition',
      (data) => Buffer.from(data.toString().replace('"partition":7', '"partition":8')),
    ],
  ]
  for (const [what, damage] of damages)
    test(`that is ${what} is none, and it is said`, async () => {
      await put(good())
      expect((await load())?.rows).toHaveLength(1)
      await put(damage(good()))
      expect(await load()).toBeUndefined()
      expect(stage.home.lines).toMatchObject([{ level: 'warn', facts: { partition: 7 } }])
    })
})
