/**
 * Opening a run: its state, folded from its log. The last entry comes first (a fresh run has no other) and says
 * where the newest snapshot is, so that at most one interval of records is read after it.
 */

import type { Broker, Entry } from '../broker/index.ts'
import type { Deps } from '../core/index.ts'
import { decodeEntry } from './codec.ts'
import { foldEntry } from './fold.ts'
import type { RunState } from './run-state.ts'
import { readSnapshot } from './snapshots.ts'

/**
 * The run as of its newest entry; undefined when there is no such run, or it is archived.
 *
 * @throws CB_E_STORE_DAMAGED, CB_E_STORE_TOO_NEW, and what the broker throws
 */
export async function openRun(
  broker: Pick<Broker, 'log' | 'objects'>,
  deps: Pick<Deps, 'logger'>,
  run: string,
): Promise<RunState | undefined> {
  const last = await broker.log.last(run)
  if (last === undefined || last.tombstone) return undefined
  if (last.rev === 1) return foldEntry(undefined, last)
  const snapshotRev = snapshotBefore(last)
  const state = snapshotRev > 0 ? await readSnapshot(broker.objects, deps, run, snapshotRev) : undefined
  if (state !== undefined && state.rev === last.rev - 1) return foldEntry(state, last)
  return readOn(broker, run, state)
}

/**
 * Folds into `state` whatever is in the log after it; without a state, the whole log. `each` hears of every entry
 * once it is folded in. Undefined when the run was archived meanwhile, or has no entry.
 */
export async function readOn(
  broker: Pick<Broker, 'log'>,
  run: string,
  state: RunState | undefined,
  each?: (entry: Entry, state: RunState) => void,
): Promise<RunState | undefined> {
  let folded = state
  for await (const entry of broker.log.read(run, { from: (state?.rev ?? 0) + 1 })) {
    if (entry.tombstone) return undefined
    folded = foldEntry(folded, entry)
    each?.(entry, folded)
  }
  return folded
}

function snapshotBefore(entry: Entry): number {
  const head = decodeEntry(entry)[0]
  return head?.k === 'head' ? head.snap : 0
}
