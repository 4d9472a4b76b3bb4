import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { natsBroker } from '../../../src/broker/nats/index.ts'
import { systemDeps } from '../../../src/core/index.ts'
import { type ConformanceDriver, conformance, type Place } from '../../../src/testing/conformance/index.ts'
import { type NatsServer, startNats } from '../../support/nats-server.ts'
import { startProxy } from '../../support/proxy.ts'

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

/** Streams set their quota aside. */
const SMALL = 'log_bytes=64MiB&work_bytes=16MiB&objects_bytes=64MiB&kv_bytes=8MiB'

let places = 0

/** One server for all cases; each has a prefix of its own, and a network of its own that can be cut. */
async function openPlace(): Promise<Place> {
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
      await removeStreams(prefix)
    },
  }
}

async function removeStreams(prefix: string): Promise<void> {
  const nc = await connect({ servers: server.url })
  const list: { streams?: string[] } = (await nc.request('$JS.API.STREAM.NAMES')).json()
  const ours = [`${prefix.toUpperCase()}_`, `KV_${prefix}_`, `OBJ_${prefix}_`]
  for (const name of list.streams ?? [])
    if (ours.some((start) => name.startsWith(start))) await nc.request(`$JS.API.STREAM.DELETE.${name}`)
  await nc.close()
}

const driver: ConformanceDriver = {
  name: 'nats',
  place: openPlace,
  lacks: {},
}

conformance(driver, { describe, it })
