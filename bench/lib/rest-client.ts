/**
 * A client of the gateway in a process of its own, with the client that users have: it starts and resumes runs by REST and
 * sees what comes of it on its live socket. It takes the times itself, so that what it is told from here costs nothing.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export type Order =
  /** Start a run; how long until it has completed? */
  | { readonly do: 'run'; readonly deployment: string }
  /** Start a run that pauses and resume it; how long from then until it has completed? */
  | { readonly do: 'resume'; readonly deployment: string; readonly pausedMs: number }

export type Report =
  | { readonly is: 'ready' }
  | { readonly is: 'done'; readonly ms: number }
  | { readonly is: 'failed'; readonly why: string }

export interface RestClient {
  /** Milliseconds. */
  measure(order: Order): Promise<number>
  stop(): Promise<void>
}

/** Resolves once it is connected. */
export async function openRestClient(gateway: string): Promise<RestClient> {
  const child = fork(fileURLToPath(new URL('./rest-client-process.ts', import.meta.url)), [gateway])
  await nextReport(child)
  return {
    async measure(order) {
      const answered = nextReport(child)
      child.send(order)
      const report = await answered
      if (report.is === 'done') return report.ms
      throw new Error(
        report.is === 'failed' ? report.why : 'The client said that it is ready, and nothing else.',
      )
    },
    async stop() {
      const gone = once(child, 'exit')
      child.disconnect()
      await gone
    },
  }
}

function nextReport(child: ChildProcess): Promise<Report> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`The client ended early, with ${code}.`))
    child.once('exit', ended)
    child.once('message', (report: Report) => {
      child.off('exit', ended)
      resolve(report)
    })
  })
}
