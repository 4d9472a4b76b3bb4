/**
 * A TCP proxy on loopback that a test can cut, stall and restore: the network between a client and its broker.
 *
 *     await using proxy = await startProxy(() => server.port)
 *     connect to proxy.port …
 *     proxy.stall('to-client')   // answers are held back, requests still arrive
 *     proxy.cut()                // every connection breaks, new ones are refused
 *     proxy.restore()            // held-back bytes flow, new connections are let through
 */

import { createServer, connect as dial, type Server, type Socket } from 'node:net'

export type Direction = 'to-server' | 'to-client'

export interface CutableProxy extends AsyncDisposable {
  readonly port: number
  /** Breaks every connection, with what was held back, and refuses new ones until `restore`. */
  cut(): void
  /** Holds back what flows in this direction, or in both. Connections stay open. */
  stall(direction?: Direction): void
  restore(): void
  /** Resolves when the next bytes of this direction arrive at the proxy, held back or not. */
  passes(direction: Direction): Promise<void>
}

export interface ProxyOptions {
  /** Changes bytes on their way, for instance to make a server claim an older version. */
  readonly rewrite?: (chunk: Buffer, direction: Direction) => Buffer
}

interface Flow {
  readonly from: Socket
  readonly to: Socket
  readonly direction: Direction
  held: Buffer[]
}

export async function startProxy(
  targetPort: () => number,
  options: ProxyOptions = {},
): Promise<CutableProxy> {
  const flows = new Set<Flow>()
  const stalled = new Set<Direction>()
  const watchers: { direction: Direction; seen: () => void }[] = []
  let refusing = false

  function carry(from: Socket, to: Socket, direction: Direction): void {
    const flow: Flow = { from, to, direction, held: [] }
    flows.add(flow)
    from.on('data', (chunk: Buffer) => {
      const bytes = options.rewrite ? options.rewrite(chunk, direction) : chunk
      if (stalled.has(direction)) flow.held.push(bytes)
      else to.write(bytes)
      for (const watcher of watchers.filter((watcher) => watcher.direction === direction)) watcher.seen()
    })
    from.on('error', () => {})
    from.on('close', () => {
      flows.delete(flow)
      to.destroy()
    })
  }

  const server: Server = createServer((client) => {
    client.on('error', () => {})
    if (refusing) {
      client.destroy()
      return
    }
    const upstream = dial(targetPort(), '127.0.0.1')
    client.setNoDelay(true)
    upstream.setNoDelay(true)
    carry(client, upstream, 'to-server')
    carry(upstream, client, 'to-client')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')

  function cut(): void {
    refusing = true
    for (const { from, to } of flows) {
      from.destroy()
      to.destroy()
    }
    flows.clear()
  }

  return {
    port: address.port,
    cut,
    stall(direction) {
      for (const each of direction ? [direction] : (['to-server', 'to-client'] as const)) stalled.add(each)
    },
    restore() {
      refusing = false
      stalled.clear()
      for (const flow of flows) {
        for (const chunk of flow.held) flow.to.write(chunk)
        flow.held = []
      }
    },
    passes(direction) {
      return new Promise((resolve) => {
        const watcher = {
          direction,
          seen: () => {
            watchers.splice(watchers.indexOf(watcher), 1)
            resolve()
          },
        }
        watchers.push(watcher)
      })
    },
    async [Symbol.asyncDispose]() {
      cut()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
