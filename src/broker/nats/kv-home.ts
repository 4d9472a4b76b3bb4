/** What the parts of the keys share: where they are, and what stands at a key. */

import { CallboardError, type JsonValue } from '../../core/index.ts'
import type { Api, Stored } from './api.ts'
import type { Link } from './link.ts'
import type { Names } from './names.ts'
import { HEADER } from './wire.ts'
import type { Writes } from './writes.ts'

export interface KvHome {
  readonly link: Link
  readonly api: Api
  readonly writes: Writes
  readonly names: Names
  readonly replicas: number
  readonly quota: number | undefined
  /** Bytes of a value. */
  readonly limit: () => number
}

/** One bucket at the server. */
export interface BucketHome extends KvHome {
  readonly stream: string
  /** `$KV.<bucket>.` */
  readonly root: string
  readonly ttlMs: number
}

/** What stands at the key, a marker too. Any replica may answer unless it has to be `certain`. */
export function currentMessage(
  { api, stream, root, replicas }: BucketHome,
  key: string,
  { certain = replicas > 1 }: { readonly certain?: boolean } = {},
): Promise<Stored | undefined> {
  return certain ? api.lastMessageOfLeader(stream, root + key) : api.lastMessage(stream, root + key)
}

export function isMarker(message: Pick<Stored, 'header'>): boolean {
  return message.header(HEADER.kvOperation) !== ''
}

/** @throws CB_E_STORE_DAMAGED */
export function parseValue(home: BucketHome, subject: string, text: string): JsonValue {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new CallboardError(
      'CB_E_STORE_DAMAGED',
      `The value at ${subject} in ${home.stream} is not JSON. Something else wrote there.`,
      { cause },
    )
  }
}
