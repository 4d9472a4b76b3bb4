/** Where a suite runs: one broker, opened on a store of its own, with the raw floor of the same server or disk. */

import { join } from 'node:path'
import { type Broker, openBroker } from '../../src/broker/index.ts'
import { systemDeps } from '../../src/core/index.ts'
import { startNats } from '../../tests/support/nats-server.ts'
import { type Floor, natsFloor, sqliteFloor } from './floors.ts'

export interface Stand {
  readonly url: string
  readonly broker: Broker
  /** Undefined where there is nothing below us to compare with (memory). */
  readonly floor: Floor | undefined
  close(): Promise<void>
}

/** What `--broker` may say, and what is measured then. */
export const STANDS = {
  embedded: (folder: string): Promise<Stand> => embedded(folder, 'full'),
  'embedded-normal': (folder: string): Promise<Stand> => embedded(folder, 'normal'),
  memory: (): Promise<Stand> => stand('memory:', undefined),
  nats,
} as const

export type StandName = keyof typeof STANDS

async function stand(url: string, floor: Floor | undefined): Promise<Stand> {
  const broker = await openBroker(url, systemDeps())
  await broker.start()
  return {
    url,
    broker,
    floor,
    async close() {
      await broker.stop()
      await floor?.close()
    },
  }
}

function embedded(folder: string, synchronous: 'full' | 'normal'): Promise<Stand> {
  const url = `embedded:${join(folder, `embedded-${synchronous}`)}?synchronous=${synchronous}`
  return stand(url, sqliteFloor(folder, synchronous))
}

async function nats(): Promise<Stand> {
  const server = await startNats()
  const raw = await stand(server.url, await natsFloor(server.url))
  return {
    ...raw,
    async close() {
      await raw.close()
      await server[Symbol.asyncDispose]()
    },
  }
}
