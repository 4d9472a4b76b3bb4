/**
 * The least that a run can cost: what a client and a worker must write and say to each other, and nothing else. No
 * replay, no leases, no retries, no timers, no state that anybody could look at.
 */

import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'

export interface FloorRuns {
  readonly name: string
  /** A client starts a run of so many steps, one after the other, and sees its end. */
  run(steps: number): Promise<void>
  /** Starts a run that waits; what is returned signals it and sees its end. */
  waiting(): Promise<() => Promise<void>>
}

/** About what a step of the benches returns. */
export const STEP_RESULT = '{"i":123,"v":4567}'

/** Start and result are a write each; client and worker are one. */
export function sqliteRuns(lane: (body: string) => () => Promise<void>): FloorRuns {
  return {
    name: 'an INSERT per step, one for the start, one for the result',
    async run(steps) {
      const write = lane(STEP_RESULT)
      for (let i = 0; i < steps + 2; i++) await write()
    },
    async waiting() {
      const write = lane(STEP_RESULT)
      await write()
      return async () => {
        await write()
        await write()
      }
    },
  }
}

/**
 * The client publishes a start message and waits for its acknowledgement; the worker consumes it, publishes on the
 * expected last sequence per step and for the result, and tells the client. A signal is stored the same way, and heard
 * by the worker as a plain subscriber.
 */
export async function natsRuns(client: NatsConnection, worker: NatsConnection): Promise<FloorRuns> {
  const manager = await jetstreamManager(client)
  await manager.streams.add({ name: 'START', subjects: ['start.*'], retention: RetentionPolicy.Workqueue })
  await manager.streams.add({ name: 'HISTORY', subjects: ['history.*'] })
  await manager.streams.add({ name: 'SIGNAL', subjects: ['signal.*'] })
  await manager.consumers.add('START', {
    durable_name: 'worker',
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: 10_000,
  })
  const waitingFor = new Map<string, () => void>()
  const signalled = new Map<string, () => void>()
  const tell = (waiters: Map<string, () => void>) => (_: unknown, message: { subject: string }) =>
    waiters.get(message.subject.slice(message.subject.indexOf('.') + 1))?.()
  client.subscribe('done.*', { callback: tell(waitingFor) })
  worker.subscribe('signal.*', { callback: tell(signalled) })

  const stream = jetstream(worker)
  async function work(id: string, steps: number): Promise<void> {
    let last = 0
    const write = async () => {
      const expect = { lastSubjectSequence: last }
      last = (await stream.publish(`history.${id}`, STEP_RESULT, { expect })).seq
    }
    for (let i = 0; i < steps; i++) await write()
    if (steps === 0) await new Promise<void>((resolve) => signalled.set(id, resolve))
    await write()
    worker.publish(`done.${id}`)
  }
  const consumer = await stream.consumers.get('START', 'worker')
  await consumer.consume({
    max_messages: 1_000,
    callback: (message) => {
      void work(message.subject.slice('start.'.length), Number(message.string())).then(() => message.ack())
    },
  })
  await worker.flush()

  const publisher = jetstream(client)
  let count = 0
  async function start(steps: number): Promise<{ readonly id: string; readonly done: Promise<void> }> {
    const id = `run-${count++}`
    const done = new Promise<void>((resolve) => waitingFor.set(id, resolve))
    await publisher.publish(`start.${id}`, String(steps))
    return { id, done }
  }
  return {
    name: 'start, steps and result each an awaited publish, the end told by plain NATS',
    async run(steps) {
      const { id, done } = await start(steps)
      await done
      waitingFor.delete(id)
    },
    async waiting() {
      const { id, done } = await start(0)
      return async () => {
        await publisher.publish(`signal.${id}`, STEP_RESULT, { expect: { lastSubjectSequence: 0 } })
        await done
        waitingFor.delete(id)
        signalled.delete(id)
      }
    },
  }
}
