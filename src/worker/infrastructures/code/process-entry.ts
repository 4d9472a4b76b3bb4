/**
 * The program of a child process that runs a run's code. Descriptor 3 brings the worker's messages, 4 takes the code's. It
 * writes to 4 until all is written: what was said before a crash has arrived, and code that says more than its worker can
 * read waits.
 *
 * When 3 ends, the worker has died: nobody will hear of this run from here, and another worker takes it.
 */

import { writeSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { Socket } from 'node:net'

enableCompileCache() // before anything else is loaded

const { CodeSide } = await import('./code-side.ts')
const { Frames } = await import('../frames.ts')

const from = new Socket({ fd: 3, readable: true, writable: false })
const side = new CodeSide({
  send: (texts) => write(Buffer.from(`${texts.join('\n')}\n`)),
  unref: () => void from.unref(),
  listen(received) {
    const frames = new Frames(received)
    from.on('data', (bytes) => frames.push(bytes))
    from.on('error', () => {}) // its end is heard below
    from.on('close', endGroup)
  },
})
process.on('SIGTERM', () => side.asked('SIGTERM'))
side.serve()

function write(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(4, bytes, at)
    } catch (error) {
      if (error instanceof Error && Reflect.get(error, 'code') === 'EAGAIN') continue
      endGroup()
    }
  }
}

/** This process leads its group. */
function endGroup(): never {
  process.kill(-process.pid, 'SIGKILL')
  process.exit(1)
}
