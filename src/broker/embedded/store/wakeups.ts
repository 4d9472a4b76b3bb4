/**
 * Hearing that another process has committed. Each commit that somebody may wait for writes one byte into the file
 * `wake`; every process watches that file and asks the database whether somebody else has changed it.
 *
 * The write-ahead file itself would not do: it is written before the commit is in force, in many pieces, so that a
 * watcher would look too early and too often.
 *
 * Invariants
 * (A1) Idle, it costs nothing but one look every `LOOK_ANYWAY_MS`: the look that finds what no watch has told (the
 *      writer was killed between its commit and the byte, or files cannot be watched here).
 * (A2) A look asks for the database's version: what this process has committed itself does not count.
 */

import { closeSync, constants, type FSWatcher, fstatSync, openSync, watch, writeSync } from 'node:fs'
import { type Deps, messageOf, type Timer } from '../../../core/index.ts'
import type { Store } from './store.ts'

export interface Wakeups {
  /** Tells other processes that there is something to look at. */
  announce(): void
  /** Why files cannot be watched here; undefined when they can. */
  readonly blind: string | undefined
  /** How often the database was asked. For tests. */
  readonly looks: number
  stop(): void
}

const LOOK_ANYWAY_MS = 1_500
/** Without a watch, looking is all there is. */
const LOOK_BLIND_MS = 50
/** The database was locked for a moment. */
const LOOK_AGAIN_MS = 5
const BYTE = Buffer.from('!')

export function watchFolder(path: string, store: Store, deps: Deps, onForeignCommit: () => void): Wakeups {
  const { clock, logger } = deps
  let watcher: FSWatcher | undefined
  let blind: string | undefined
  let file = openFile(path)
  let looks = 0
  let timer: Timer | undefined

  function look(): void {
    looks++
    let changed: boolean
    try {
      changed = store.changedByOthers()
    } catch {
      lookIn(LOOK_AGAIN_MS)
      return
    }
    if (changed) onForeignCommit()
  }

  /** (A1) */
  function lookAnyway(): void {
    if (fstatSync(file).nlink === 0) renew()
    lookIn(blind === undefined ? LOOK_ANYWAY_MS : LOOK_BLIND_MS)
    look()
  }

  function lookIn(delayMs: number): void {
    timer?.cancel()
    timer = clock.setTimer(delayMs, lookAnyway, { ref: false })
  }

  function startWatching(): void {
    try {
      watcher = watch(path, { persistent: false }, look)
      watcher.on('error', (error) => giveUpWatching(messageOf(error)))
    } catch (error) {
      giveUpWatching(messageOf(error))
    }
  }

  function giveUpWatching(why: string): void {
    watcher?.close()
    blind = why
    logger.warn(
      { path, why },
      'files cannot be watched; the commits of other processes are looked for instead',
    )
    lookIn(LOOK_BLIND_MS)
  }

  /** Somebody has removed the file: what is written to it now reaches nobody. */
  function renew(): void {
    try {
      const renewed = openFile(path)
      closeSync(file)
      file = renewed
    } catch (error) {
      logger.error({ error, path }, 'the folder of the store has been removed while it is in use')
      return
    }
    watcher?.close()
    startWatching()
  }

  lookIn(LOOK_ANYWAY_MS)
  startWatching()

  return {
    announce() {
      try {
        writeSync(file, BYTE, 0, 1, 0)
      } catch (error) {
        logger.debug({ error }, 'other processes could not be told of a commit; they will look in a moment')
      }
    },
    get blind() {
      return blind
    },
    get looks() {
      return looks
    },
    stop() {
      timer?.cancel()
      watcher?.close()
      closeSync(file)
    },
  }
}

function openFile(path: string): number {
  return openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o666)
}
