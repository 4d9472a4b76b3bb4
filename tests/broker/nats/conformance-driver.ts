/**
 * The NATS driver as the conformance suite wants it. One server serves all cases of a file; each case has a prefix of its
 * own, and a network of its own that can be cut.
 */

import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { natsBroker } from '../../../src/broker/nats/index.ts'
import { systemDeps } from '../../../src/core/index.ts'
import { conformance, type Part, type Place } from '../../../src/testing/index.ts'
import { type NatsServer, startNats } from '../../support/nats-server.ts'
import { startProxy } from '../../support/proxy.ts'

/** Streams set their quota aside. */
const SMALL = 'log_bytes=64MiB&work_bytes=16MiB&objects_bytes=64MiB&kv_bytes=8MiB'

/** Registers the cases of these parts: two files share the suite, so that it runs in half the time. */
export function natsConformance(...parts: readonly Part[]): void {
  let server: NatsServer
  let places = 0
  beforeAll(async () => {
    server = await startNats()
  })
  afterAll(() => server[Symbol.asyncDispose]())

  async function place(): Promise<Place> {
    const prefix = `p${places++}`
    const proxy = await startProxy(() => server.port)
    const url = `nats://127.0.0.1:${proxy.port}?prefix=${prefix}&${SMALL}`
    return {
      url,
      open: (options) => natsBroker(url, systemDeps(), { environment: {}, ...options }),
      async cut() {
        proxy.cut()
      },
      async heal() {
        proxy.restore()
      },
      async restart() {
        await server.stop()
        await server.start()
      },
      async close() {
        await proxy[Symbol.asyncDispose]()
        await removeStreams(server.url, prefix)
      },
    }
  }

  const ofTheseParts = (name: string, body: () => void) =>
    parts.some((part) => name.endsWith(`: ${part}`)) ? describe(name, body) : undefined
  conformance({ name: 'nats', place, lacks: {} }, { describe: ofTheseParts, it })
}

async function removeStreams(url: string, prefix: string): Promise<void> {
  const nc = await connect({ servers: url })
  const list: { streams?: string[] } = (await nc.request('$JS.API.STREAM.NAMES')).json()
  const ours = [`${prefix.toUpperCase()}_`, `KV_${prefix}_`, `OBJ_${prefix}_`]
  for (const name of list.streams ?? [])
    if (ours.some((start) => name.startsWith(start))) await nc.request(`$JS.API.STREAM.DELETE.${name}`)
  await nc.close()
}
