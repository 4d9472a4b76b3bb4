/**
 * Where a task's result is kept. By default in the run's log (large ones at the broker's object store, which is the
 * host's business). With a storage or a serializer of the task's own, the log holds only where it is.
 *
 * Invariants
 * (T1) What could not be stored is still handed to the caller in this process; a replay that needs it is told so.
 */

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { CallboardError, decodeValue, encodeValue, isJsonObject, type JsonObject } from '../core/index.ts'

export interface Storage {
  readonly name: string
  write(key: string, data: Uint8Array): Promise<void>
  read(key: string): Promise<Uint8Array>
}

export interface Serializer {
  readonly name: string
  serialize(value: unknown): Uint8Array
  deserialize(data: Uint8Array): unknown
}

/** Results as files in a folder. */
export function localPath(folder: string): Storage {
  return {
    name: `local:${folder}`,
    async write(key, data) {
      await mkdir(folder, { recursive: true })
      const path = join(folder, key)
      await writeFile(`${path}.part`, data)
      await rename(`${path}.part`, path)
    },
    read: (key) => readFile(join(folder, key)),
  }
}

/** Tagged JSON: plain data, dates, maps, errors and what else is documented. */
export const jsonSerializer: Serializer = {
  name: 'json',
  serialize: (value) => Buffer.from(encodeValue(value, 'result')),
  deserialize: (data) => decodeValue(Buffer.from(data).toString('utf8')),
}

/** Another serializer's bytes, compressed. */
export function compressed(inner: Serializer = jsonSerializer): Serializer {
  return {
    name: `gzip+${inner.name}`,
    serialize: (value) => gzipSync(inner.serialize(value)),
    deserialize: (data) => inner.deserialize(gunzipSync(data)),
  }
}

export interface ResultOptions {
  readonly persistResult?: boolean | undefined
  readonly resultStorage?: Storage | undefined
  readonly serializer?: Serializer | undefined
}

/** What stands in the log for a result that is elsewhere, or nowhere. */
const MARK = 'callboard:result'

/** What holds for a task in a flow that says something of results itself: what is said of the task's own is not touched. */
export function inFlow(
  task: ResultOptions & Cached,
  flow: Pick<ResultOptions, 'persistResult'>,
): ResultOptions {
  const { cacheKeyFn, cachePolicy, persistResult, resultStorage, serializer } = task
  const isOwn = (persistResult ?? resultStorage ?? serializer ?? cachePolicy ?? cacheKeyFn) !== undefined
  return isOwn || flow.persistResult === undefined ? task : flow
}

interface Cached {
  readonly cachePolicy?: unknown
  readonly cacheKeyFn?: unknown
}

/** Whether results go into the log as they are. */
export function isPlain({ persistResult, resultStorage, serializer }: ResultOptions): boolean {
  return persistResult !== false && resultStorage === undefined && serializer === undefined
}

/** Puts a result where the options want it; gives what the log is to hold. */
export async function putResult(
  value: unknown,
  key: string,
  { persistResult, resultStorage, serializer = jsonSerializer }: ResultOptions,
): Promise<JsonObject> {
  if (persistResult === false) return NOT_KEPT
  const data = serializer.serialize(value)
  if (resultStorage === undefined) return { [MARK]: 'inline', data: Buffer.from(data).toString('base64') }
  await resultStorage.write(key, data)
  return { [MARK]: 'stored', storage: resultStorage.name, key }
}

/** What the log holds for a result that could not be stored. */
export const NOT_KEPT: JsonObject = { [MARK]: 'not-kept' }

export function isMarked(value: unknown): boolean {
  return typeof value === 'object' && value !== null && MARK in value
}

export function missingResult(whose: string): CallboardError {
  return new CallboardError(
    'CB_E_RESULT_MISSING',
    `The result of ${whose} was not stored, and the process that had it is gone. Return something that can be stored, or leave persistResult on.`,
  )
}

/**
 * The result that a mark in the log stands for.
 *
 * @throws CB_E_RESULT_MISSING
 */
export async function takeResult(value: unknown, id: string, options: ResultOptions): Promise<unknown> {
  const { resultStorage, serializer = jsonSerializer } = options
  const mark = value as JsonObject
  if (!isJsonObject(mark)) return value
  if (mark[MARK] === 'inline') return serializer.deserialize(Buffer.from(String(mark.data), 'base64'))
  if (mark[MARK] !== 'stored' || resultStorage === undefined) throw missingResult(`task run '${id}'`)
  return serializer.deserialize(await resultStorage.read(String(mark.key)))
}
