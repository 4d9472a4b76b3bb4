/** A shell command as a flow: what it prints is the run's log, its last line the result. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { abortSignal, flow, getRunLogger } from '../../sdk/index.ts'

export const shellCommand = flow(
  { name: 'shell-command', description: 'Runs a shell command.' },
  async ({ command }: { readonly command: string }) => {
    const logger = getRunLogger()
    const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    // The whole group: a shell does not pass a signal on to what it runs.
    const stop = () => child.pid !== undefined && process.kill(-child.pid, 'SIGTERM')
    abortSignal().addEventListener('abort', stop, { once: true })
    let last = ''
    createInterface({ input: child.stdout }).on('line', (line) => {
      last = line
      logger.info(line)
    })
    createInterface({ input: child.stderr }).on('line', (line) => logger.warn(line))
    const [code, signal] = await once(child, 'close')
    abortSignal().removeEventListener('abort', stop)
    if (code !== 0)
      throw new Error(
        signal === null ? `The command ended with code ${code}.` : `The command was ended by ${signal}.`,
      )
    return last
  },
)
