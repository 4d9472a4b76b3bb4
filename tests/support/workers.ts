/**
 * Worker processes for tests and benches: started on a broker, killed, frozen, told to stop. What they run is in
 * `worker-process.ts`; what their bodies did is in a file that all of them write to.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { NewRun } from '../../src/actors/index.ts'

export type WorkerReport =
  | { readonly did: 'ready' }
  /** The body of a step has run; its result is not in the log yet. */
  | { readonly did: 'step'; readonly run: string; readonly step: number }

/**
 * `freeze`: it stops itself, between two turns of its event loop. A process that is stopped from outside may hold the lock
 * of an embedded store at that moment, and with it everybody else.
 */
export type WorkerOrder = 'stop' | 'freeze'

export const STEPS = 20
export const STEP_MS = 25
/** What a run returns. */
export const SUM = (STEPS * (STEPS - 1)) / 2

/** A run of the workers' flow. */
export const TWENTY_STEPS: NewRun = {
  flow: 'twenty-steps',
  name: 'twenty-steps',
  parameters: { v: null },
  by: { channel: 'test' },
  policy: {
    retries: 0,
    maxRecoveries: 10,
    onCrash: 'recover',
    graceMs: 1_000,
    timeoutMs: null,
    lateAfterMs: 60_000,
    target: { queue: 'e2e', priority: 1 },
    limits: [],
  },
}

export interface WorkerProcess extends AsyncDisposable {
  readonly name: string
  /** Resolves once the body of this step of the run has run here. */
  reached(run: string, step: number): Promise<void>
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** It stands still, as after SIGSTOP: keeps its connections and does nothing. */
  freeze(): void
  /** SIGCONT. */
  thaw(): void
  /** In good order; resolves when it is gone. */
  stop(): Promise<void>
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Resolves when the worker takes runs. */
export async function startWorker(
  url: string,
  file: string,
  name: string,
  leaseMs: number,
): Promise<WorkerProcess> {
  const program = fileURLToPath(new URL('./worker-process.ts', import.meta.url))
  const child = fork(program, [url, file, name, String(leaseMs)], { execArgv: [] })
  const tell = (order: WorkerOrder) => void child.send(order)
  running.add(child)
  const gone = once(child, 'exit').then(() => void running.delete(child))
  const reports: WorkerReport[] = []
  const waiting = new Set<() => void>()
  child.on('message', (report: WorkerReport) => {
    reports.push(report)
    for (const look of waiting) look()
  })
  const until = (wanted: (report: WorkerReport) => boolean) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!reports.some(wanted)) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
    })
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    await gone
  }
  const early = gone.then(() => {
    throw new Error(`The worker ${name} ended before it was ready.`)
  })
  await Promise.race([until(({ did }) => did === 'ready'), early])
  early.catch(() => {})
  return {
    name,
    reached: (run, step) =>
      until((report) => report.did === 'step' && report.run === run && report.step === step),
    kill: () => end('SIGKILL'),
    freeze: () => tell('freeze'),
    thaw: () => void child.kill('SIGCONT'),
    async stop() {
      if (child.connected) tell('stop')
      await gone
    },
    [Symbol.asyncDispose]: () => end('SIGKILL'),
  }
}

/** What the bodies of a run's steps did, in order: which step, on which worker. */
export async function stepsOf(
  file: string,
  run: string,
): Promise<readonly { readonly step: number; readonly worker: string }[]> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  return lines
    .map((line) => line.split(' '))
    .filter(([of]) => of === run)
    .map(([, step, worker]) => ({ step: Number(step), worker: worker ?? '' }))
}
