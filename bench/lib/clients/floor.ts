/**
 * The least that a run can cost: what a client and a worker must write and say to each other, and nothing else. No
 * replay, no leases, no retries, no timers, no state that anybody could look at. A flow is the number of its steps, and
 * one of no step waits for a signal.
 */

import {
  AckPolicy,
  type JetStreamClient,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
} from '@nats-io/jetstream'
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { sleep, systemClock } from '../../../src/core/index.ts'
import { type Client, inFlight, timed } from './client.ts'

/** About what a step of the benches returns. */
export const STEP_RESULT = '{"i":123,"v":4567}'

/** Start and result are a write each; client and worker are one. */
export function sqliteClient(lane: (body: string) => () => Promise<void>): Client {
  const steps = async (count: number) => {
    const write = lane(STEP_RESULT)
    for (let i = 0; i < count + 2; i++) await write()
  }
  return {
    name: 'an INSERT per step, one for the start, one for the result',
    run: (flow) => timed(() => steps(Number(flow))),
    burst: (flow, runs) => inFlight(runs, () => steps(Number(flow))),
    async resume(_, settledMs) {
      const write = lane(STEP_RESULT)
      await write()
      await sleep(systemClock, settledMs)
      return timed(async () => {
        await write()
        await write()
      })
    },
    async stop() {},
  }
}

/**
 * The worker's side: it consumes start messages, publishes on the expected last sequence per step and for the result, and
 * tells the client. A signal is heard as a plain subscriber hears it.
 */
export async function serveNatsFloor(worker: NatsConnection): Promise<void> {
  const manager = await jetstreamManager(worker)
  await manager.streams.add({ name: 'START', subjects: ['start.*'], retention: RetentionPolicy.Workqueue })
  await manager.streams.add({ name: 'HISTORY', subjects: ['history.*'] })
  await manager.streams.add({ name: 'SIGNAL', subjects: ['signal.*'] })
  await manager.consumers.add('START', {
    durable_name: 'worker',
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: 10_000,
  })
  const signalled = new Map<string, () => void>()
  worker.subscribe('signal.*', { callback: (_, message) => signalled.get(idIn(message))?.() })
  const stream = jetstream(worker)

  async function work(id: string, steps: number): Promise<void> {
    let last = 0
    const write = async () => {
      const expect = { lastSubjectSequence: last }
      last = (await stream.publish(`history.${id}`, STEP_RESULT, { expect })).seq
    }
    for (let i = 0; i < steps; i++) await write()
    if (steps === 0) await new Promise<void>((resolve) => signalled.set(id, resolve))
    signalled.delete(id)
    await write()
    worker.publish(`done.${id}`)
  }
  const consumer = await stream.consumers.get('START', 'worker')
  await consumer.consume({
    max_messages: 1_000,
    callback: (message) => {
      void work(idIn(message), Number(message.string())).then(() => message.ack())
    },
  })
  await worker.flush()
}

/** The client's side: it publishes a start message and waits for its acknowledgement, then for the word of the end. */
export async function natsClient(url: string): Promise<Client> {
  const connection = await connect({ servers: url, noAsyncTraces: true })
  const publisher: JetStreamClient = jetstream(connection)
  const waitingFor = new Map<string, () => void>()
  connection.subscribe('done.*', { callback: (_, message) => waitingFor.get(idIn(message))?.() })
  await connection.flush()
  let count = 0

  async function start(steps: string): Promise<{ readonly id: string; readonly done: Promise<void> }> {
    const id = `${process.pid}-${count++}`
    const done = new Promise<void>((resolve) => waitingFor.set(id, resolve))
    void done.then(() => waitingFor.delete(id))
    await publisher.publish(`start.${id}`, steps)
    return { id, done }
  }
  const run = async (flow: string) => (await start(flow)).done
  return {
    name: 'start, steps and result each an awaited publish, the end told by plain NATS',
    run: (flow) => timed(() => run(flow)),
    burst: (flow, runs) => inFlight(runs, () => run(flow)),
    async resume(flow, settledMs) {
      const { id, done } = await start(flow)
      await sleep(systemClock, settledMs)
      return timed(async () => {
        await publisher.publish(`signal.${id}`, STEP_RESULT, { expect: { lastSubjectSequence: 0 } })
        await done
      })
    },
    stop: () => connection.close(),
  }
}

const idIn = ({ subject }: Pick<Msg, 'subject'>) => subject.slice(subject.indexOf('.') + 1)
