/** The real program, as a process of its own. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const PROGRAM = join(ROOT, 'src/cli/main.ts')
export const FIXTURES = fileURLToPath(new URL('../fixtures/', import.meta.url))

export interface Said {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Said>
  /** Resolves with the first match in what it has said on either stream; rejects when it ends without. */
  says(pattern: RegExp): Promise<RegExpMatchArray>
}

/** What programs are compiled to, so that the next one starts sooner. */
const COMPILED = join(tmpdir(), 'callboard-tests-compiled')

/** A home for everything that a test's commands keep on the machine. */
export interface Home extends AsyncDisposable {
  readonly folder: string
  /** Runs a command to its end. */
  run(...args: readonly string[]): Promise<Said>
  /** As `run`, with other variables or another working directory. */
  with(options: Surroundings): Pick<Home, 'run' | 'start'>
  /** Starts a command that stays; it is killed with the home. */
  start(...args: readonly string[]): Running
}

export interface Surroundings {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

export async function makeHome(): Promise<Home> {
  const folder = await mkdtemp(join(tmpdir(), 'callboard-cli-'))
  const running = new Set<Running>()

  function start({ env = {}, cwd = folder }: Surroundings, args: readonly string[]): Running {
    const child = spawn(process.execPath, ['-C', 'callboard-source', PROGRAM, ...args], {
      cwd,
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: COMPILED,
        HOME: folder,
        NO_COLOR: '1',
        CALLBOARD_HOME: join(folder, 'home'),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let out = ''
    let err = ''
    const looking = new Set<() => void>()
    const hear = () => {
      for (const look of looking) look()
    }
    child.stdout.on('data', (text) => {
      out += text
      hear()
    })
    child.stderr.on('data', (text) => {
      err += text
      hear()
    })
    let isOver = false
    const ended = once(child, 'close').then(([code]) => {
      isOver = true
      running.delete(started)
      hear()
      return { code, out, err }
    })
    const says = (pattern: RegExp) =>
      new Promise<RegExpMatchArray>((resolve, reject) => {
        const look = () => {
          const match = out.match(pattern) ?? err.match(pattern)
          if (match === null && !isOver) return
          looking.delete(look)
          if (match !== null) resolve(match)
          else reject(new Error(`callboard ${args.join(' ')} ended before it said ${pattern}:\n${out}${err}`))
        }
        looking.add(look)
        look()
      })
    const started: Running = { child, ended, says }
    running.add(started)
    return started
  }

  return {
    folder,
    run: (...args) => start({}, args).ended,
    start: (...args) => start({}, args),
    with: (options) => ({
      run: (...args) => start(options, args).ended,
      start: (...args) => start(options, args),
    }),
    async [Symbol.asyncDispose]() {
      const left = [...running]
      for (const { child } of left) child.kill('SIGTERM')
      await Promise.all(left.map(({ ended }) => ended))
      await rm(folder, { recursive: true, force: true })
    },
  }
}
