/**
 * Many clients of a live socket, in a process of their own, that say when they had read a frame. Times are
 * `process.hrtime.bigint()`, as in `witness.ts`.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface Opening {
  /** `ws://…` */
  readonly url: string
  readonly sockets: number
  /** What each says first; it is there once that is answered. Nothing: it is there when it is connected. */
  readonly say?: string
}

export type Order =
  | ({ readonly do: 'open' } & Opening)
  /** Tell when so many frames were read since now. */
  | { readonly do: 'count'; readonly frames: number }

export type Report =
  | { readonly saw: 'open' }
  /** Every socket has read the frame with this mark; when, of each. */
  | { readonly saw: 'mark'; readonly mark: string; readonly at: readonly string[] }
  | { readonly saw: 'all'; readonly at: string; readonly gaps: number }

/** What a frame is recognised by, wherever in its text it stands. */
export const markOf = (mark: string): string => `mark<${mark}>`
export const MARK = /mark<(\w+)>/

export interface Audience {
  /** Milliseconds from just before `act` until each socket had read the frame with this mark. */
  time(mark: string, act: () => Promise<void>): Promise<number[]>
  /** Milliseconds from just before `act` until so many frames were read, by all sockets together. */
  count(frames: number, act: () => Promise<void>): Promise<{ readonly ms: number; readonly gaps: number }>
  stop(): Promise<void>
}

export async function openAudience(opening: Opening): Promise<Audience> {
  const child = fork(fileURLToPath(new URL('./audience-process.ts', import.meta.url)))
  const died = endedEarly(child)
  const waiting = new Set<(report: Report) => void>()
  child.on('message', (report: Report) => {
    for (const look of waiting) look(report)
  })
  const heard = <R extends Report>(wanted: (report: Report) => report is R): Promise<R> => {
    const found = new Promise<R>((resolve) => {
      const look = (report: Report) => {
        if (!wanted(report)) return
        waiting.delete(look)
        resolve(report)
      }
      waiting.add(look)
    })
    return Promise.race([found, died])
  }
  const order = (what: Order) => void child.send(what)
  const isOpen = heard((report): report is Extract<Report, { saw: 'open' }> => report.saw === 'open')
  order({ do: 'open', ...opening })
  await isOpen
  const since = (began: bigint) => (at: string) => Number(BigInt(at) - began) / 1e6
  return {
    async time(mark, act) {
      const arrived = heard(
        (report): report is Extract<Report, { saw: 'mark' }> => report.saw === 'mark' && report.mark === mark,
      )
      const began = process.hrtime.bigint()
      await act()
      return (await arrived).at.map(since(began))
    },
    async count(frames, act) {
      const counted = heard((report): report is Extract<Report, { saw: 'all' }> => report.saw === 'all')
      order({ do: 'count', frames })
      const began = process.hrtime.bigint()
      await act()
      const { at, gaps } = await counted
      return { ms: since(began)(at), gaps }
    },
    async stop() {
      died.catch(() => {})
      const gone = once(child, 'exit')
      child.disconnect()
      await gone
    },
  }
}

async function endedEarly(child: ChildProcess): Promise<never> {
  const [code] = await once(child, 'exit')
  throw new Error(`The audience ended early, with ${code}.`)
}
