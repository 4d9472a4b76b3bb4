/** The program of a thread that runs a run's code. Its port comes as the worker data. */

import { enableCompileCache } from 'node:module'
import { MessagePort, workerData } from 'node:worker_threads'

enableCompileCache() // before anything else is loaded

const { CodeSide } = await import('./code-side.ts')
const port: unknown = workerData
if (port instanceof MessagePort)
  new CodeSide({
    send(texts) {
      for (const text of texts) port.postMessage(text)
    },
    unref: () => port.unref(),
    listen: (received) => port.on('message', (text) => received(String(text))),
  }).serve()
