/** A client in a process of its own, as clients are. It takes the times itself, so that being told from here costs nothing. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Client } from './client.ts'

/** Which client, and where it connects to. */
export type Way =
  | { readonly by: 'floor'; readonly nats: string }
  | { readonly by: 'engine'; readonly broker: string; readonly queue: string }
  | { readonly by: 'rest'; readonly gateway: string }

export type Order =
  | { readonly do: 'run'; readonly flow: string }
  | { readonly do: 'burst'; readonly flow: string; readonly runs: number }
  | { readonly do: 'resume'; readonly flow: string; readonly settledMs: number }

export type Report =
  | { readonly is: 'ready'; readonly name: string }
  | { readonly is: 'done'; readonly ms: number }
  | { readonly is: 'failed'; readonly why: string }

/** Resolves once it is connected. */
export async function clientElsewhere(way: Way): Promise<Client> {
  const child = fork(fileURLToPath(new URL('./process.ts', import.meta.url)), [JSON.stringify(way)])
  const ready = await nextReport(child)
  if (ready.is !== 'ready') throw new Error(`The client began with ${JSON.stringify(ready)}.`)
  const measure = async (order: Order): Promise<number> => {
    const answered = nextReport(child)
    child.send(order)
    const report = await answered
    if (report.is === 'done') return report.ms
    throw new Error(`The client answered ${JSON.stringify(report)}.`)
  }
  return {
    name: ready.name,
    run: (flow) => measure({ do: 'run', flow }),
    burst: (flow, runs) => measure({ do: 'burst', flow, runs }),
    resume: (flow, settledMs) => measure({ do: 'resume', flow, settledMs }),
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
