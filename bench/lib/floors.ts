/**
 * Raw floors: the least that a broker's own client must do for one durable append with a compare-and-set, without
 * any of our code. What a driver reaches is told as a share of this.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import type { Client } from './clients/client.ts'
import { clientElsewhere } from './clients/elsewhere.ts'
import { serveNatsFloor, sqliteClient } from './clients/floor.ts'

export interface Floor {
  readonly name: string
  /** A subject of its own: each call appends `body` on top of what the last call appended there. */
  lane(body: string): () => Promise<void>
  /** Asks somebody on another connection who answers at once; undefined when the broker has no such thing. */
  readonly request: (() => Promise<void>) | undefined
  /** Whole runs in the barest form, for an engine to be compared with. Where there is a server, the client is elsewhere. */
  client(): Promise<Client>
  close(): Promise<void>
}

/** One INSERT per append, each a transaction of its own, in write-ahead mode. */
export function sqliteFloor(folder: string, synchronous: 'full' | 'normal'): Floor {
  mkdirSync(folder, { recursive: true })
  const db = new DatabaseSync(join(folder, `floor-${synchronous}.db`))
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}`)
  db.exec('CREATE TABLE entry (subject TEXT, rev INTEGER, body TEXT) STRICT')
  const insert = db.prepare('INSERT INTO entry VALUES (?, ?, ?)')
  let lanes = 0
  const lane = (body: string) => {
    const subject = `lane-${lanes++}`
    let rev = 0
    return async () => void insert.run(subject, ++rev, body)
  }
  return {
    name: `SQLite INSERT, synchronous=${synchronous}`,
    lane,
    request: undefined,
    client: async () => sqliteClient(lane),
    async close() {
      db.close()
    },
  }
}

/** One awaited publish per append, with the sequence that must be the subject's last; core NATS for requests. */
export async function natsFloor(url: string): Promise<Floor> {
  const options = { servers: url, noAsyncTraces: true }
  const [connection, other] = await Promise.all([connect(options), connect(options)])
  const manager = await jetstreamManager(connection)
  await manager.streams.add({ name: 'FLOOR', subjects: ['floor.>'] })
  const stream = jetstream(connection)
  other.subscribe('echo', { callback: (_, message) => void message.respond(message.data) })
  await other.flush()
  const question = new TextEncoder().encode('{"ask":1}')
  let lanes = 0
  return {
    name: 'awaited publish, expected last sequence',
    lane(body) {
      const subject = `floor.${lanes++}`
      let last = 0
      return async () => {
        const answer = await stream.publish(subject, body, { expect: { lastSubjectSequence: last } })
        last = answer.seq
      }
    },
    request: async () => void (await connection.request('echo', question)),
    async client() {
      await serveNatsFloor(connection)
      return clientElsewhere({ by: 'floor', nats: url })
    },
    async close() {
      await Promise.all([connection.close(), other.close()])
    },
  }
}
