/** The processes of the demo: each is the real command, run from the sources. What was not ended is killed at the end. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { ROOT } from '../lib/run.ts'

export interface Started {
  readonly pid: number
  /** Resolves with what it says first that matches; rejects when it ends before. */
  says(pattern: RegExp): Promise<RegExpMatchArray>
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** SIGTERM; resolves with its exit code. */
  stop(): Promise<number | null>
  /** Resolves with its exit code. */
  readonly ended: Promise<number | null>
  /** Everything it said. */
  readonly lines: readonly string[]
}

export class Processes implements AsyncDisposable {
  readonly #env: NodeJS.ProcessEnv
  readonly #running = new Set<ChildProcess>()

  constructor(env: Readonly<Record<string, string>>) {
    this.#env = { ...process.env, ...env }
  }

  /** A variable of those that are started from now on. */
  set(name: string, value: string): void {
    this.#env[name] = value
  }

  /** `callboard …` */
  callboard(...args: readonly string[]): Started {
    return this.node('src/cli/main.ts', ...args)
  }

  /** A program of the repository. */
  node(program: string, ...args: readonly string[]): Started {
    const child = spawn(process.execPath, ['-C', 'callboard-source', program, ...args], {
      cwd: ROOT,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#running.add(child)
    const lines: string[] = []
    const looking = new Set<() => void>()
    const heard = (line: string) => {
      lines.push(line)
      for (const look of looking) look()
    }
    createInterface({ input: child.stdout }).on('line', heard)
    createInterface({ input: child.stderr }).on('line', heard)
    let isOver = false
    const ended = once(child, 'close').then(([code]) => {
      isOver = true
      this.#running.delete(child)
      for (const look of looking) look()
      return code as number | null
    })
    const signal = (name: NodeJS.Signals) => {
      child.kill(name)
      return ended
    }
    return {
      pid: child.pid ?? 0,
      lines,
      ended,
      kill: async () => void (await signal('SIGKILL')),
      stop: () => signal('SIGTERM'),
      says: (pattern) =>
        new Promise((resolve, reject) => {
          const look = () => {
            const match = lines.map((line) => line.match(pattern)).find((found) => found !== null)
            if (match === undefined && !isOver) return
            looking.delete(look)
            if (match !== undefined) resolve(match)
            else
              reject(new Error(`"${args.join(' ')}" ended before it said ${pattern}:\n${lines.join('\n')}`))
          }
          looking.add(look)
          look()
        }),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#running) child.kill('SIGTERM')
    const all = [...this.#running].map((child) => once(child, 'close'))
    const patience = setTimeout(() => {
      for (const child of this.#running) child.kill('SIGKILL')
    }, 5_000)
    await Promise.all(all)
    clearTimeout(patience)
  }
}
