/**
 * The end of a run that has ended: a tombstone in the place of its log, and its objects deleted.
 *
 * Invariants
 * (A1) A run is archived on top of the revision at which it was found terminal: one that was retried meanwhile is a
 *      conflict, and stays.
 * (A2) Its objects are deleted once its tombstone is in the log. A crash in between leaves objects that nobody needs.
 */

import { encodeEntry, RECORD_VERSION, type RunState, type Sender } from '../actors/index.ts'
import type { Broker, Rev } from '../broker/index.ts'
import { type Deps, isJsonObject, type JsonValue, mintId } from '../core/index.ts'
import { settled } from './limiter.ts'

const DELETED_AT_ONCE = 4

/**
 * Archives a run; `state` is its newest one, and terminal. The revision of its tombstone, or undefined when the run has
 * gone on meanwhile, or nobody knows.
 */
export async function archiveRun(
  { broker, deps }: { readonly broker: Pick<Broker, 'log' | 'objects'>; readonly deps: Deps },
  state: RunState,
  { at, by }: { readonly at: number; readonly by: Sender },
): Promise<Rev | undefined> {
  const { id, rev } = state
  const objects = await objectsOf(broker, state)
  const records = encodeEntry({ k: 'head', v: RECORD_VERSION, snap: 0 }, [
    { k: 'tombstone', at, s: state.state.tag, by },
  ])
  const archived = await broker.log.archive(id, records, { expect: rev, nonce: mintId(deps) }) // (A1)
  if (archived.outcome !== 'appended') return undefined
  await settled(objects, DELETED_AT_ONCE, (key) => broker.objects.delete(key)) // (A2)
  return archived.rev
}

/** Every object that belongs to the run and to no other. */
async function objectsOf(
  broker: Pick<Broker, 'log'>,
  { id, snapshotRev }: RunState,
): Promise<ReadonlySet<string>> {
  const own = [`values.${id}.`, `snapshots.${id}.`]
  const keys = new Set<string>(snapshotRev > 0 ? [`snapshots.${id}.${snapshotRev}`] : [])
  const look = (value: JsonValue): void => {
    if (Array.isArray(value)) for (const part of value) look(part)
    if (!isJsonObject(value)) return
    const { object } = value
    if (typeof object === 'string' && own.some((prefix) => object.startsWith(prefix))) keys.add(object)
    for (const part of Object.values(value)) look(part)
  }
  for await (const { records } of broker.log.read(id)) look(records)
  return keys
}
