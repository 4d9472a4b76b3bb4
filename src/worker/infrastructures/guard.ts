/**
 * Sees to it that no code outlives its worker, however that dies: a small process of its own, that knows the groups of all
 * child processes and kills them when its pipe to the worker breaks. It is not the children's own business, as code may be
 * stuck in a loop, or stopped.
 *
 * Invariants
 * (D1) A group is known to it before any user code runs in it: what is written to a pipe arrives, whoever dies after.
 * (D2) When it dies itself, there is another one a second later, that knows all groups.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Deps, type Service, service, type Timer } from '../../core/index.ts'
import { codeEntry } from './entry.ts'

const AGAIN_MS = 1_000

export class Guard {
  readonly life: Service
  readonly #deps: Pick<Deps, 'clock' | 'logger'>
  readonly #groups = new Set<number>()
  #process: ChildProcess | undefined
  #again: Timer | undefined

  constructor(deps: Pick<Deps, 'clock' | 'logger'>) {
    this.#deps = deps
    this.life = service('The guard of child processes', {
      start: async () => this.#start(),
      stop: () => this.#stop(),
    })
  }

  watch(group: number): void {
    this.#groups.add(group)
    this.#tell(`+${group}`)
  }

  /** It has ended: its number may be another's soon. */
  release(group: number): void {
    this.#groups.delete(group)
    this.#tell(`-${group}`)
  }

  #start(): void {
    const guard = spawn(process.execPath, [fileURLToPath(codeEntry('guard'))], {
      detached: true, // what is sent to the worker's group is not for it
      stdio: ['pipe', 'ignore', 'ignore'],
      env: {},
    })
    this.#process = guard
    guard.stdin.on('error', () => {}) // its end is heard below
    guard.on('error', (error) => {
      this.#deps.logger.warn(
        { error },
        'no guard could be started: code may outlive this worker if it is killed',
      )
    })
    guard.on('exit', () => {
      if (this.#process !== guard || guard.pid === undefined) return
      this.#deps.logger.warn({}, 'the guard of child processes has died; another one is started')
      this.#again = this.#deps.clock.setTimer(AGAIN_MS, () => this.#replace(), { ref: false }) // (D2)
    })
    for (const group of this.#groups) this.#tell(`+${group}`)
  }

  #replace(): void {
    this.#start()
    this.#deps.logger.info({}, 'another guard of child processes is in its place')
  }

  #stop(): Promise<void> {
    const guard = this.#process
    this.#process = undefined
    this.#again?.cancel()
    if (guard?.pid === undefined || guard.exitCode !== null || guard.signalCode !== null)
      return Promise.resolve()
    return new Promise((resolve) => {
      guard.once('exit', () => resolve())
      guard.stdin?.end()
    })
  }

  #tell(text: string): void {
    this.#process?.stdin?.write(`${text}\n`)
  }
}
