import { describe, expect, test } from 'vitest'
import { MIGRATIONS, type Migration, migrateRecords } from '../../src/actors/migrations.ts'
import { isCallboardError, type JsonObject } from '../../src/core/index.ts'
import { RECORD_VERSION } from './support/room.ts'

/** Adds what it did to the last record. */
function step(from: number): Migration {
  return {
    from,
    migrate: (records) => records.map((record) => ({ ...record, path: [...path(record), from] })),
  }
}

function path({ path: known }: JsonObject): number[] {
  return Array.isArray(known) ? known : []
}

function codeOf(work: () => unknown): string | undefined {
  try {
    work()
  } catch (error) {
    return isCallboardError(error) ? error.code : 'another error'
  }
  return undefined
}

test('there is a way to the present from every version since the first', () => {
  const missing = Array.from({ length: RECORD_VERSION - 1 }, (_, index) => index + 1).filter(
    (version) => !MIGRATIONS.some(({ from }) => from === version),
  )
  expect(missing).toEqual([])
})

describe('migrating', () => {
  const steps = [step(2), step(1), step(3)]

  test('takes every step from the version found to the present one, in order', () => {
    expect(migrateRecords('It', 1, [{}], steps, 4)).toEqual([{ path: [1, 2, 3] }])
    expect(migrateRecords('It', 3, [{}], steps, 4)).toEqual([{ path: [3] }])
  })

  test('leaves records of the present version as they are', () => {
    const records = [{ k: 'head' }]
    expect(migrateRecords('It', 4, records, steps, 4)).toBe(records)
  })

  test('refuses a newer version, and one that no step reads', () => {
    expect(codeOf(() => migrateRecords('It', 5, [{}], steps, 4))).toBe('CB_E_STORE_TOO_NEW')
    expect(codeOf(() => migrateRecords('It', 0, [{}], steps, 4))).toBe('CB_E_LOG_NO_MIGRATION')
    expect(codeOf(() => migrateRecords('It', 1, [{}], [step(1), step(3)], 4))).toBe('CB_E_LOG_NO_MIGRATION')
  })
})
