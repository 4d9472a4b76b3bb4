/** Starts the hosting program: the user's code runs there, with the settings of the command. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Context } from '../context.ts'
import { CommandFailure } from '../exits.ts'
import { errorOf } from './failure.ts'
import type { HostOrder, HostReport } from './host-orders.ts'
import { programBeside } from './program-beside.ts'

const PROGRAM = programBeside(import.meta.url, 'host-entry')

export interface Hosting {
  /** Resolves with what is told of this kind, or rejects when it ends without. */
  told<Did extends HostReport['did']>(did: Did): Promise<Extract<HostReport, { did: Did }>>
  /** Resolves when the program has ended. */
  readonly ended: Promise<void>
}

/** @param quiet its own output is not shown */
export async function host(
  context: Context,
  order: HostOrder,
  { quiet }: { readonly quiet: boolean },
): Promise<Hosting> {
  const { variables } = await context.resolved()
  const output = quiet ? 'ignore' : 'inherit'
  const child = fork(PROGRAM, [], {
    cwd: context.folder,
    env: { ...context.around.environment, ...variables() },
    stdio: ['inherit', output, output, 'ipc'],
  })
  const stop = passSignalsOn(child)
  const reports: HostReport[] = []
  const heard = new Set<() => void>()
  child.on('message', (report: HostReport) => {
    reports.push(report)
    for (const look of heard) look()
  })
  let exit: string | undefined
  const ended = once(child, 'close').then(([code, signal]) => {
    exit = signal === null ? `with code ${code}` : `by ${signal}`
    stop()
    for (const look of heard) look()
  })
  child.send(order)
  return {
    ended,
    told: <Did extends HostReport['did']>(did: Did) =>
      new Promise<Extract<HostReport, { did: Did }>>((resolve, reject) => {
        const look = () => {
          const found = reports.find(
            (report): report is Extract<HostReport, { did: Did }> => report.did === did,
          )
          const failure = reports.find((report) => report.did === 'fail')
          if (found === undefined && failure === undefined && exit === undefined) return
          heard.delete(look)
          if (found !== undefined) resolve(found)
          else if (failure !== undefined) reject(errorOf(failure.failure))
          else reject(new CommandFailure(`The process that ran it ended ${exit}.`))
        }
        heard.add(look)
        look()
      }),
  }
}

/** A terminal sends Ctrl-C to both; what is sent to this process alone goes on to the other. */
function passSignalsOn(child: ChildProcess): () => void {
  const pass = (signal: NodeJS.Signals) => void child.kill(signal)
  const stay = () => {}
  process.on('SIGTERM', pass)
  process.on('SIGINT', stay)
  return () => {
    process.off('SIGTERM', pass)
    process.off('SIGINT', stay)
  }
}
