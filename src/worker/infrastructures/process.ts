/**
 * Code in a child process of its own: its own heap, environment and working directory, and the lead of a process group, so
 * that what it starts ends with it. Spares, started before they are needed, are one use each.
 *
 * The channel is two pipes besides the usual three: 3 to the code, 4 from it. The code writes to its pipe and waits until
 * it is written, so that nothing is lost when it dies, and its worker reads whatever comes, so that it never waits long.
 *
 * Invariants
 * (B1) When the leader has ended, its group is killed. Only then, and when its pipes have ended, it has exited.
 * (B2) The guard knows a group from its start to its end.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { CallboardError, type Deps, messageOf, settlesWithin } from '../../core/index.ts'
import {
  type Carrier,
  type CarrierEvents,
  type CodePlan,
  type Exit,
  KILL_MS,
  type OutputStream,
} from './carrier.ts'
import { codeEntry } from './entry.ts'
import { Frames } from './frames.ts'
import type { Guard } from './guard.ts'

export interface ProcessShape {
  readonly env: Readonly<Record<string, string>>
  readonly memoryMb: number | undefined
  /** Options for Node itself. */
  readonly nodeFlags: readonly string[]
}

/** Answers that the code does not read; beyond that it is taken for stuck. */
const MOST_UNREAD_BYTES = 256 * 1024 * 1024
/** How long the pipes of one that has ended may stay open: a program may have taken them out of the group. */
const PIPES_MS = 500

export class CodeProcess implements Carrier {
  /** Resolves when it has ended; its group is gone then. */
  readonly exited: Promise<Exit>
  readonly #deps: Pick<Deps, 'clock' | 'logger'>
  readonly #child: ChildProcess
  readonly #shape: ProcessShape
  #isOver = false

  /** Starts it; it waits for its first message. */
  constructor(deps: Pick<Deps, 'clock' | 'logger'>, guard: Guard, shape: ProcessShape) {
    const { env, memoryMb, nodeFlags } = shape
    this.#deps = deps
    this.#shape = shape
    const heap = memoryMb === undefined ? [] : [`--max-old-space-size=${memoryMb}`]
    const child = spawn(
      process.execPath,
      [...inheritedFlags(), ...nodeFlags, ...heap, fileURLToPath(codeEntry('process'))],
      {
        detached: true, // leads a group of its own
        stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
        env: { ...process.env, ...env },
      },
    )
    this.#child = child
    const { pid } = child
    if (pid !== undefined) guard.watch(pid) // (B2)
    for (const pipe of this.#pipes) pipe.on('error', () => {}) // its end is heard below
    this.exited = new Promise((resolve) => {
      child.once('error', (error) => {
        if (pid === undefined) resolve({ is: 'error', error })
      })
      child.once('exit', (code, signal) => {
        this.#signal('SIGKILL') // (B1)
        this.#isOver = true
        if (pid !== undefined) guard.release(pid)
        const exit: Exit = signal === null ? { is: 'code', code: code ?? 0 } : { is: 'signal', signal }
        void this.#untilPipesEnd().then(() => resolve(exit))
      })
    })
  }

  /** Whether it was started with all that this code needs: the rest, its environment, can be had later. */
  suits({ env = {}, memoryMb = this.#shape.memoryMb }: CodePlan): boolean {
    return (
      memoryMb === this.#shape.memoryMb && !Object.keys(env).some((name) => /^(NODE|LD|DYLD|UV)_/.test(name))
    )
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /**
   * Hands on what comes from it from now on, and what has come.
   *
   * @throws CB_E_CODE_START when it could not be started
   */
  async open(events: CarrierEvents): Promise<this> {
    if (this.#child.pid === undefined) {
      const exit = await this.exited
      const reason = exit.is === 'error' ? messageOf(exit.error) : 'it has ended'
      throw new CallboardError(
        'CB_E_CODE_START',
        `A process for the run's code could not be started: ${reason}. See to the limits of this machine for processes and memory.`,
      )
    }
    const frames = new Frames((text) => events.message(text))
    this.#from.on('data', (bytes: Buffer) => frames.push(bytes))
    for (const stream of ['stdout', 'stderr'] as const)
      this.#output(stream).on('data', (bytes: Buffer) => events.output(stream, bytes))
    void this.exited.then((exit) => events.exited(exit))
    return this
  }

  send(text: string): void {
    if (this.#isOver || this.#to.destroyed) return
    if (this.#to.writableCorked === 0) {
      this.#to.cork() // what is sent in one turn is written at once
      process.nextTick(() => this.#to.uncork())
    }
    this.#to.write(`${text}\n`)
    if (this.#to.writableLength <= MOST_UNREAD_BYTES) return
    this.#deps.logger.warn(
      this.describe(),
      'code of a run does not read the answers it is given; it is ended',
    )
    this.#signal('SIGKILL')
  }

  stop(): void {
    this.#signal('SIGTERM')
  }

  async kill(): Promise<'gone' | 'abandoned'> {
    this.#signal('SIGKILL')
    return (await settlesWithin(this.#deps.clock, KILL_MS, this.exited)) ? 'gone' : 'abandoned'
  }

  describe() {
    return { infrastructure: 'process', pid: this.#child.pid ?? null }
  }

  /** To the whole group. */
  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child
    if (pid === undefined || this.#isOver) return
    try {
      process.kill(-pid, signal)
    } catch (error) {
      this.#deps.logger.debug({ pid, signal, error }, 'there is no process left to signal')
    }
  }

  async #untilPipesEnd(): Promise<void> {
    const readers = [this.#from, this.#output('stdout'), this.#output('stderr')]
    const ends = readers.map((reader) =>
      reader.readableFlowing && !reader.closed
        ? new Promise((resolve) => reader.once('close', resolve))
        : undefined,
    )
    await settlesWithin(this.#deps.clock, PIPES_MS, Promise.all(ends))
    for (const pipe of this.#pipes) pipe.destroy()
  }

  get #pipes(): readonly (Readable | Writable)[] {
    return this.#child.stdio.filter((pipe) => pipe !== null && pipe !== undefined)
  }

  get #to(): Writable {
    return this.#child.stdio[3] as Writable
  }

  get #from(): Readable {
    return this.#child.stdio[4] as Readable
  }

  #output(stream: OutputStream): Readable {
    return this.#child[stream] as Readable
  }
}

/** How this Node itself was started, but for what would make another start into something else. */
function inheritedFlags(): readonly string[] {
  if (process.execArgv.some((flag) => /^(-[ep]|-pe|--eval|--print)/.test(flag))) return []
  return process.execArgv.filter((flag) => !/^--(inspect|test|watch)/.test(flag))
}
