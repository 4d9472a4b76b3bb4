/**
 * Reading what older releases wrote. The version in an entry's head covers records, events and charts alike. When
 * one of them changes so that an old log would be read wrongly, `RECORD_VERSION` is raised and a migration is added
 * here that turns the records of one entry into those of the next version. `tests/actors/golden` keeps logs of every
 * version, and they must fold for ever.
 *
 * Snapshots are not migrated: one of another version is left aside and the log is read instead.
 */

import { CallboardError, type JsonObject } from '../core/index.ts'
import { RECORD_VERSION } from './records.ts'

export interface Migration {
  /** The version it reads; it writes the next one. */
  readonly from: number
  migrate(records: readonly JsonObject[]): readonly JsonObject[]
}

/** By the version they read, without gap, up to the present one. */
export const MIGRATIONS: readonly Migration[] = []

/**
 * The records of an entry as the version `to` writes them.
 *
 * @throws CB_E_STORE_TOO_NEW, CB_E_LOG_NO_MIGRATION
 */
export function migrateRecords(
  where: string,
  version: number,
  records: readonly JsonObject[],
  migrations: readonly Migration[] = MIGRATIONS,
  to: number = RECORD_VERSION,
): readonly JsonObject[] {
  if (version > to)
    throw new CallboardError(
      'CB_E_STORE_TOO_NEW',
      `${where} was written in format ${version}; this process reads up to format ${to}. Upgrade it; nothing was touched.`,
      { details: { found: version, known: to } },
    )
  let migrated = records
  for (let at = version; at < to; at++) {
    const next = migrations.find(({ from }) => from === at)
    if (next === undefined)
      throw new CallboardError(
        'CB_E_LOG_NO_MIGRATION',
        `${where} was written in format ${version}, and this process knows no way from format ${at} to ${at + 1}. Use a release that reads it; nothing was touched.`,
        { details: { found: version, known: to } },
      )
    migrated = next.migrate(migrated)
  }
  return migrated
}
