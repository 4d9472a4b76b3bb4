/**
 * Places in folders. All brokers of this process on one folder (with the same options) share one place, and with
 * it one connection to the database, one commit and one socket; the last one to leave closes it.
 */

import { join } from 'node:path'
import type { Deps } from '../../core/index.ts'
import { type Capabilities, LIMITS } from '../port.ts'
import type { Stay } from './broker.ts'
import { joinPeers, type Peers } from './bus/index.ts'
import { fileObjects, removeLeftovers } from './objects/index.ts'
import { makePlace, type Place } from './place.ts'
import {
  FILES,
  FORMAT,
  fileError,
  openFolderStore,
  prepareFolder,
  type StoreOptions,
  type Wakeups,
  watchFolder,
} from './store/index.ts'

/** A place in a folder, and what only such a place has. */
export interface FolderPlace {
  readonly place: Place
  readonly wakeups: Wakeups
  readonly peers: Peers
  close(): Promise<void>
}

interface Shared {
  readonly opened: Promise<FolderPlace>
  users: number
}

export interface FolderStay extends Stay {
  readonly folder: FolderPlace
}

/** By folder and options. A place that is closing stays until it is closed: the next one waits for it. */
const sharedPlaces = new Map<string, Shared>()
const closing = new Map<string, Promise<void>>()

/**
 * Comes to the place in a folder as one more user; opens it when this process has not.
 *
 * @throws CB_E_STORE_FOREIGN, CB_E_STORE_TOO_NEW, CB_E_STORE_DAMAGED, CB_E_STORE_FULL, CB_E_STORE_UNWRITABLE
 */
export async function enterFolder(dir: string, options: StoreOptions, deps: Deps): Promise<FolderStay> {
  const folder = await prepareFolder(dir)
  const key = JSON.stringify([folder, options.synchronous, options.maxBytes])
  while (closing.has(key)) await closing.get(key)
  const shared = sharedPlaces.get(key) ?? { opened: openPlace(folder, options, deps), users: 0 }
  sharedPlaces.set(key, shared)
  shared.users++
  const leave = () => leaveShared(key, shared)
  try {
    const opened = await shared.opened
    return { place: opened.place, folder: opened, leave }
  } catch (error) {
    await leave()
    throw error
  }
}

async function leaveShared(key: string, shared: Shared): Promise<void> {
  shared.users--
  if (shared.users > 0) return
  sharedPlaces.delete(key)
  const closed = shared.opened.then(
    (place) => place.close(),
    () => {},
  )
  closing.set(key, closed)
  await closed
  closing.delete(key)
}

/** Opens step by step; what was opened before a step failed is closed again. */
async function openPlace(folder: string, options: StoreOptions, deps: Deps): Promise<FolderPlace> {
  await using opened = new AsyncDisposableStack()
  const store = await openFolderStore(folder, options, deps)
  opened.defer(() => store.close())
  try {
    let toldOfOthers = () => {} // before there is a place nobody follows it
    const wakeups = watchFolder(join(folder, FILES.wake), store, deps, () => toldOfOthers())
    opened.defer(() => wakeups.stop())
    const objectsFolder = join(folder, FILES.objects)
    await removeLeftovers(objectsFolder, deps.clock.now())
    const place = makePlace({
      store,
      deps,
      objects: fileObjects(objectsFolder, options.synchronous, deps),
      announce: () => {
        if (!peers.alone) wakeups.announce()
      },
      capabilities: capabilitiesOf(options, wakeups),
    })
    toldOfOthers = () => place.othersCommitted()
    opened.defer(() => place.queue.desk.stop())
    const peers = await joinPeers(join(folder, FILES.peers), place.board, deps)
    opened.defer(() => peers.stop())
    const resources = opened.move()
    return { place, wakeups, peers, close: () => resources.disposeAsync() }
  } catch (error) {
    throw fileError(folder, error)
  }
}

function capabilitiesOf({ synchronous }: StoreOptions, { blind }: Wakeups): Capabilities {
  const warnings: string[] = []
  if (synchronous === 'normal')
    warnings.push(
      'synchronous=normal: an acknowledged append survives the death of every process, but not a power cut.',
    )
  if (blind !== undefined)
    warnings.push(
      `Files cannot be watched here (${blind}): what other processes write is noticed up to 50 ms late.`,
    )
  return {
    driver: 'embedded',
    version: String(FORMAT),
    durability: synchronous === 'full' ? 'power' : 'process',
    replicas: 1,
    reach: 'machine',
    ordered: true,
    expiryLagMs: 100,
    limits: LIMITS,
    warnings,
  }
}
