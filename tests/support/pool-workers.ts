/** Workers of a pool as processes: started, killed, frozen, told to stop. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { WorkerProcessOptions } from '../../src/worker/index.ts'

export interface PoolWorkerOptions
  extends Pick<
    WorkerProcessOptions,
    'drainMs' | 'healthcheckPort' | 'infrastructure' | 'limit' | 'name' | 'pool' | 'runOnce' | 'spares'
  > {
  readonly brokerUrl: string
  /** Of workers and partitions, ms. */
  readonly leaseMs: number
}

export interface PoolWorker extends AsyncDisposable {
  /** What runs know it by; empty until it takes any. */
  readonly id: string
  readonly pid: number
  /** What it has logged: the messages. */
  readonly lines: readonly string[]
  /** Resolves with the first line it has logged with this in it. */
  said(part: string): Promise<string>
  kill(): void
  /** It stands still, as after SIGSTOP: keeps its connections and does nothing. */
  freeze(): void
  thaw(): void
  terminate(): void
  /** Resolves with its exit code, or the signal that ended it. */
  readonly exited: Promise<number | string>
}

/** What a worker says of itself once it takes runs. */
const STARTED = ' started: '

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Resolves when it takes runs. */
export async function startPoolWorker(options: PoolWorkerOptions): Promise<PoolWorker> {
  const worker = launchPoolWorker(options)
  const early = worker.exited.then((code) => {
    throw new Error(`The worker ended (${code}) before it was ready:\n${worker.lines.join('\n')}`)
  })
  await Promise.race([worker.said(STARTED), early])
  early.catch(() => {})
  return worker
}

/** Waits for nothing. */
export function launchPoolWorker(options: PoolWorkerOptions): PoolWorker {
  const program = fileURLToPath(new URL('./pool-worker.ts', import.meta.url))
  const child = fork(program, [JSON.stringify(options)], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  running.add(child)
  const exited = once(child, 'exit').then(([code, signal]): number | string => {
    running.delete(child)
    return signal ?? code
  })
  const lines: string[] = []
  let id = ''
  const lookers = new Set<() => void>()
  if (child.stderr !== null)
    createInterface({ input: child.stderr }).on('line', (text) => {
      const line: { message?: string; worker?: string } = text.startsWith('{')
        ? JSON.parse(text)
        : { message: text }
      // Its scheduler may speak of other workers before.
      if (line.message?.includes(STARTED)) id = line.worker ?? ''
      lines.push(line.message ?? '')
      for (const look of lookers) look()
    })
  const said = (part: string) =>
    new Promise<string>((resolve) => {
      const look = () => {
        const found = lines.find((line) => line.includes(part))
        if (found === undefined) return
        lookers.delete(look)
        resolve(found)
      }
      lookers.add(look)
      look()
    })
  const end = async () => {
    child.kill('SIGKILL')
    await exited
  }
  return {
    get id() {
      return id
    },
    pid: child.pid ?? 0,
    lines,
    said,
    kill: () => void child.kill('SIGKILL'),
    freeze: () => void child.send('freeze'),
    thaw: () => void child.kill('SIGCONT'),
    terminate: () => void child.kill('SIGTERM'),
    exited,
    [Symbol.asyncDispose]: end,
  }
}
