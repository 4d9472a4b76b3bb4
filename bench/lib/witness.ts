/**
 * Another process that says when something reached it: it follows the log, claims from a queue and answers on the bus.
 *
 * Times are `process.hrtime.bigint()`, which on Linux counts from the same point in every process of one machine;
 * so "when it arrived there" minus "when it was sent here" is a true span, without a way back in it.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** Queue and bus subject that the witness attends to. */
export const WITNESS_QUEUE = 'bench-witness'
export const WITNESS_SUBJECT = 'bench.witness'

/** What the witness reports: that it is ready, or that something arrived. Times as text: JSON has no bigint. */
export type Report =
  | { readonly saw: 'ready' }
  | { readonly saw: 'entry' | 'item'; readonly key: string; readonly at: string }

export interface Witness {
  /** Milliseconds from just before `act` until the witness had what it sent under `key`. */
  time(key: string, act: () => Promise<void>): Promise<number>
  stop(): Promise<void>
}

/** Starts the witness on the broker at `url` and resolves when it listens. */
export async function startWitness(url: string): Promise<Witness> {
  const child = fork(fileURLToPath(new URL('./witness-process.ts', import.meta.url)), [url])
  const waiting = new Map<string, (at: bigint) => void>()
  const died = endedEarly(child)
  const ready = Promise.withResolvers<void>()
  child.on('message', (report: Report) => {
    if (report.saw === 'ready') ready.resolve()
    else waiting.get(report.key)?.(BigInt(report.at))
  })
  await Promise.race([ready.promise, died])
  return {
    async time(key, act) {
      const arrived = new Promise<bigint>((resolve) => waiting.set(key, resolve))
      const sent = process.hrtime.bigint()
      await act()
      const at = await Promise.race([arrived, died])
      waiting.delete(key)
      return Number(at - sent) / 1e6
    },
    async stop() {
      died.catch(() => {})
      const gone = once(child, 'exit')
      child.send('stop')
      await gone
    },
  }
}

async function endedEarly(child: ChildProcess): Promise<never> {
  const [code] = await once(child, 'exit')
  throw new Error(`The witness process ended early, with ${code}.`)
}
