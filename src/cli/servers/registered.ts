/**
 * The deployments of `callboard dev`: each flow of the files is there as `<flow>/dev`, as the files are now.
 *
 * Invariants
 * (G1) One reading of the files at a time; what changes meanwhile is read after it.
 * (G2) Files that cannot be read change nothing: what was there stays until they can be.
 */

import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { type Catalog, deploymentId } from '../../catalog/index.ts'
import { type Deps, messageOf, type Timer } from '../../core/index.ts'
import { deploymentOf, describeFlows } from '../flows/index.ts'

export const DEV_NAME = 'dev'
/** An editor writes a file in several steps. */
const SETTLE_MS = 150

export interface RegisteredOptions {
  readonly catalog: Pick<Catalog, 'deployments'>
  readonly deps: Deps
  readonly files: readonly string[]
  readonly folder: string
  /** Says something to the person who looks. */
  readonly say: (text: string) => void
}

export class Registered {
  readonly #options: RegisteredOptions
  #ids: readonly string[] = []
  #reading: Promise<void> | undefined
  #isStale = false
  #watchers: readonly FSWatcher[] = []
  #timer: Timer | undefined

  constructor(options: RegisteredOptions) {
    this.#options = options
  }

  /** `<flow>/dev` for each. */
  get ids(): readonly string[] {
    return this.#ids
  }

  /** @throws CommandFailure when the files cannot be read as they are now */
  async start(): Promise<void> {
    const { files, folder } = this.#options
    await this.#read()
    const byFolder = Map.groupBy(
      files.map((file) => resolve(folder, file)),
      (file) => dirname(file),
    )
    // The folders, not the files: an editor may put a new file in the place of the old one.
    this.#watchers = [...byFolder].map(([path, inside]) => {
      const names = new Set(inside.map((file) => basename(file)))
      return watch(path, (_, name) => {
        if (name !== null && names.has(name)) this.#changed()
      })
    })
  }

  stop(): void {
    this.#timer?.cancel()
    for (const watcher of this.#watchers) watcher.close()
  }

  #changed(): void {
    this.#timer?.cancel()
    this.#timer = this.#options.deps.clock.setTimer(SETTLE_MS, () => void this.#readAgain())
  }

  /** (G1) */
  async #readAgain(): Promise<void> {
    this.#isStale = true
    if (this.#reading !== undefined) return
    while (this.#isStale) {
      this.#isStale = false
      this.#reading = this.#read().then(
        () => this.#options.say(`Reloaded: ${this.#ids.join(', ')}. New runs take the new code.`),
        (error) => this.#options.say(`Not reloaded: ${messageOf(error)}`), // (G2)
      )
      await this.#reading
    }
    this.#reading = undefined
  }

  async #read(): Promise<void> {
    const { catalog, files, folder } = this.#options
    const flows = await describeFlows(files, folder)
    const drafts = flows.map((flow) => deploymentOf(flow, { name: DEV_NAME, path: folder }))
    for (const draft of drafts) await catalog.deployments.put(draft)
    const ids = drafts.map(deploymentId)
    for (const gone of this.#ids.filter((id) => !ids.includes(id))) await catalog.deployments.delete(gone)
    this.#ids = ids
  }
}
