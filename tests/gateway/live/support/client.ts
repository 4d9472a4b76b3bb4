/** A client of the live socket that remembers all it heard, and can be waited on. */

import { WebSocket } from 'ws'
import type { ClientFrame, EventFrame, ServerFrame } from '../../../../src/api/index.ts'

export type Frame<Op extends ServerFrame['op']> = Extract<ServerFrame, { op: Op }>

export interface ClientOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly path?: string
}

export class Client {
  readonly frames: ServerFrame[] = []
  readonly socket: WebSocket
  /** How it was closed. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
  readonly #waiting = new Set<() => void>()
  #lastId = 0

  constructor(port: number, { headers = {}, path = '/api/v1/live' }: ClientOptions = {}) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, 'callboard.v1', { headers })
    this.socket.on('message', (data) => {
      this.frames.push(JSON.parse(String(data)))
      for (const look of this.#waiting) look()
    })
    this.closed = new Promise((resolve) =>
      this.socket.once('close', (code, reason) => resolve({ code, reason: String(reason) })),
    )
    this.socket.on('error', () => {})
  }

  /** One that has been let in. */
  static async open(port: number, options?: ClientOptions): Promise<Client> {
    const client = new Client(port, options)
    await client.until((frame) => frame.op === 'hello')
    return client
  }

  /** Sends a frame under the next id; gives the id. */
  ask(frame: DistributiveOmit<Exclude<ClientFrame, { op: 'auth' }>, 'id'>): number {
    const id = ++this.#lastId
    this.socket.send(JSON.stringify({ ...frame, id }))
    return id
  }

  say(text: string | Buffer): void {
    this.socket.send(text)
  }

  /** The answer to a frame: `reply`, `subscribed` or `pong`. */
  async answer(frame: Parameters<Client['ask']>[0]): Promise<ServerFrame> {
    const id = this.ask(frame)
    return this.until((heard) => 'id' in heard && heard.id === id)
  }

  async subscribe(
    to: Extract<ClientFrame, { op: 'subscribe' }>['to'],
    more: Partial<Extract<ClientFrame, { op: 'subscribe' }>> = {},
  ): Promise<Frame<'subscribed'>> {
    const answer = await this.answer({ op: 'subscribe', to, ...more })
    if (answer.op !== 'subscribed') throw new Error(`It was answered ${JSON.stringify(answer)}.`)
    return answer
  }

  /** The first frame, heard or to come, that is wanted. */
  until(wanted: (frame: ServerFrame) => boolean): Promise<ServerFrame> {
    return new Promise((resolve, reject) => {
      let seen = 0
      const look = () => {
        for (; seen < this.frames.length; seen++) {
          const frame = this.frames[seen]
          if (frame === undefined || !wanted(frame)) continue
          this.#waiting.delete(look)
          return resolve(frame)
        }
      }
      this.#waiting.add(look)
      look()
      this.closed.then(({ code, reason }) => {
        look()
        reject(new Error(`The socket was closed: ${code} ${reason}.`))
      })
    })
  }

  events(sub = 1): EventFrame[] {
    return this.frames.filter((frame) => frame.op === 'event' && frame.sub === sub) as EventFrame[]
  }

  async close(): Promise<void> {
    this.socket.close()
    await this.closed
  }
}

type DistributiveOmit<T, K extends keyof never> = T extends unknown ? Omit<T, K> : never
