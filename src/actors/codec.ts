/**
 * Records to text and back. What comes out of `decodeEntry` is in the present format and has the shape its type
 * says, or an error names the run, the revision and the record; and nothing else is let in.
 */

import type { Entry } from '../broker/index.ts'
import { CallboardError, isJsonObject, type JsonObject, type JsonValue } from '../core/index.ts'
import { migrateRecords } from './migrations.ts'
import { faultOfRecord } from './record-checks.ts'
import type { HeadRecord, RunRecord } from './records.ts'

/**
 * One record as it is stored. Code that no compiler has looked at can give anything: what nobody could read is not written.
 *
 * @throws CB_E_RECORD_INVALID
 */
export function encodeRecord(record: RunRecord): string {
  const fault = faultOfRecord(record)
  if (fault === undefined) return JSON.stringify(record)
  throw new CallboardError(
    'CB_E_RECORD_INVALID',
    `This cannot be kept in the log of a run: of a record '${record.k}', ${fault}. Nothing was written; correct what the code gives there.`,
    { details: { record: record.k } },
  )
}

/** The records of one entry as they are stored. @throws CB_E_RECORD_INVALID */
export function encodeEntry(head: HeadRecord, records: readonly RunRecord[]): string[] {
  return [encodeRecord(head), ...records.map(encodeRecord)]
}

/**
 * The records of an entry, the head first.
 *
 * @throws CB_E_STORE_DAMAGED, CB_E_STORE_TOO_NEW, CB_E_LOG_NO_MIGRATION
 */
export function decodeEntry(entry: Written): RunRecord[] {
  return presentRecords(entry).map((record, index) => trusted(entry, record, index))
}

/**
 * As `decodeEntry`, for somebody whom only some records concern: in the place of the others stands `undefined`, and
 * nobody has looked whether they can be read.
 *
 * @throws as `decodeEntry`
 */
export function decodeWanted(
  entry: Written,
  wants: (record: JsonObject) => boolean,
): (RunRecord | undefined)[] {
  return presentRecords(entry).map((record, index) =>
    wants(record) ? trusted(entry, record, index) : undefined,
  )
}

type Written = Pick<Entry, 'subject' | 'rev' | 'records'>

/** In the present format, and not looked at. */
function presentRecords({ subject, rev, records }: Written): readonly JsonObject[] {
  const head = records[0]
  if (head === undefined || !isJsonObject(head) || head.k !== 'head' || typeof head.v !== 'number')
    throw damaged(subject, rev, 0, 'the head is missing')
  return migrateRecords(`Entry ${rev} of run ${subject}`, head.v, records.map(objectAt(subject, rev)))
}

/** @throws CB_E_STORE_DAMAGED */
function trusted({ subject, rev }: Written, record: JsonObject, index: number): RunRecord {
  if (isRecord(record) && (index === 0) === (record.k === 'head')) return record
  throw damaged(subject, rev, index, faultOfRecord(record) ?? 'a head stands where none may stand')
}

/** An entry, or what it says, cannot be what it claims to be. */
export function damaged(run: string, rev: number, record: number, why: string): CallboardError {
  return new CallboardError(
    'CB_E_STORE_DAMAGED',
    `Record ${record} of entry ${rev} of run ${run} cannot be read: ${why}. The run is left as it is; restore the log from a backup, or export what is readable.`,
    { details: { run, rev, record } },
  )
}

function objectAt(run: string, rev: number) {
  return (record: JsonValue, index: number): JsonObject => {
    if (isJsonObject(record)) return record
    throw damaged(run, rev, index, 'it is not an object')
  }
}

/** Trusted from here on. */
function isRecord(value: object): value is RunRecord {
  return faultOfRecord(value) === undefined
}
