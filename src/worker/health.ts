/** The health endpoint of a worker, for whoever looks after its process. */

import { createServer, type Server } from 'node:http'
import { CallboardError, messageOf } from '../core/index.ts'

export interface Health {
  /** Whether the process does what it is there for. */
  readonly isHealthy: boolean
  /** What it is doing, as JSON. */
  readonly facts: object
}

/** `GET /health`: 200 or 503, with the facts. */
export class HealthEndpoint {
  readonly #server: Server
  #port: number

  constructor(port: number, look: () => Health) {
    this.#port = port
    this.#server = createServer((request, response) => {
      const [path] = (request.url ?? '').split('?')
      const isKnown = path === '/health' && (request.method === 'GET' || request.method === 'HEAD')
      const { isHealthy, facts } = isKnown
        ? look()
        : { isHealthy: false, facts: { error: 'Ask GET /health.' } }
      response.writeHead(isKnown ? (isHealthy ? 200 : 503) : 404, {
        'content-type': 'application/json; charset=utf-8',
        'cache-control': 'no-store',
      })
      response.end(`${JSON.stringify(facts)}\n`)
    })
  }

  /** The port it listens on, once it does. */
  get port(): number {
    return this.#port
  }

  /** On every address of the machine: who asks is outside. @throws CB_E_OPTION_INVALID when the port is not to be had */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => {
        reject(
          new CallboardError(
            'CB_E_OPTION_INVALID',
            `The health endpoint cannot listen on port ${this.#port}: ${messageOf(error)}. Give another port, or 0 for any free one.`,
            { cause: error },
          ),
        )
      })
      this.#server.listen(this.#port, () => {
        const address = this.#server.address()
        if (typeof address === 'object' && address !== null) this.#port = address.port
        resolve()
      })
    })
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }
}
