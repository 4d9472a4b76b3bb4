/** The same engine on the drivers that keep things: an embedded store in a folder, and a real nats-server. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createHost,
  createRun,
  type Host,
  inlineRunner,
  type NewRun,
  openRun,
  type Program,
  type RunState,
  sendSignal,
} from '../../src/actors/index.ts'
import { type Broker, openBroker } from '../../src/broker/index.ts'
import { isCallboardError, systemDeps } from '../../src/core/index.ts'
import { createScheduler, type Scheduler } from '../../src/scheduler/index.ts'
import { startNats } from '../support/nats-server.ts'
import { FLOW_POLICY } from './support/run.ts'

const deps = systemDeps()
const ME = { channel: 'test' } as const

interface Place extends AsyncDisposable {
  readonly url: string
}

async function folder(): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), 'callboard-host-'))
  return { url: `embedded:${dir}`, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) }
}

for (const { name, open } of [
  { name: 'embedded', open: folder },
  { name: 'nats', open: (): Promise<Place> => startNats() },
])
  describe(`on ${name}`, () => {
    let place: Place
    let client: Broker
    let scheduler: Scheduler
    const brokers: Broker[] = []
    const hosts: Host[] = []

    const connect = async (): Promise<Broker> => {
      const broker = await openBroker(place.url, deps)
      brokers.push(broker)
      await broker.start()
      return broker
    }

    beforeEach(async () => {
      place = await open()
      client = await connect()
      scheduler = createScheduler(await connect(), deps, { workerLeaseMs: 3_000, leaseMs: 3_000 })
      await scheduler.start()
    })

    afterEach(async () => {
      for (const host of hosts.splice(0)) await host.stop()
      await scheduler.stop()
      for (const broker of brokers.splice(0)) await broker.stop()
      await place[Symbol.asyncDispose]()
    })

    const host = async (flow: Program): Promise<{ broker: Broker; host: Host }> => {
      const broker = await connect()
      const made = createHost({
        broker,
        deps,
        runners: [inlineRunner(deps, new Map([['flow', { program: flow }]]))],
        settings: { queues: ['default'], leaseMs: 3_000 },
      })
      hosts.push(made)
      await made.start()
      return { broker, host: made }
    }

    const newRun = (parameters: number): NewRun => ({
      flow: 'flow',
      name: 'a run',
      parameters: { v: parameters },
      policy: FLOW_POLICY,
      by: ME,
    })

    /** Resolves with the run's state once it is this one. */
    const become = (run: string, tag: string): Promise<RunState> =>
      new Promise((resolve, reject) => {
        const following = client.log.follow({ partitions: 'all' }, 'start', async (entries) => {
          if (!entries.some(({ subject }) => subject === run)) return
          const state = await openRun(client, deps, run)
          if (state?.flow.tag !== tag) return
          following.then((one) => void one.stop(), reject)
          resolve(state)
        })
        following.catch(reject)
      })

    it('a sequence of tasks, and then many at once', async () => {
      await host(async (r, n) => {
        let sum = 0
        for (let i = 0; i < 20; i++) sum += Number(await r.task({ task: 'one' }, () => i))
        const all = await Promise.all(
          Array.from({ length: Number(n) }, (_, i) => r.task({ task: 'many' }, () => i)),
        )
        return sum + all.length
      })
      const { run } = await createRun(client, deps, newRun(2_000))
      const state = await become(run, 'COMPLETED.Completed')
      expect(state.result).toEqual({ v: 2_190 })
      expect(state.tasks.size).toBe(2_020)
    })

    it('a pause that somebody else resumes, and a signal to nobody', async () => {
      await host((r) => r.pause())
      const { run } = await createRun(client, deps, newRun(0))
      await become(run, 'PAUSED.Paused')
      const signal = { name: 'resume', key: 'k', by: ME, payload: { v: 'go' } }
      expect(await sendSignal(client, deps, run, signal)).toMatchObject({ outcome: 'applied' })
      expect((await become(run, 'COMPLETED.Completed')).result).toEqual({ v: 'go' })
      expect(await sendSignal(client, deps, run, { ...signal, key: 'l' })).toMatchObject({
        outcome: 'rejected',
      })
      expect(await sendSignal(client, deps, 'nobody', signal)).toEqual({ outcome: 'missing' })
    })

    it('values of a megabyte', async () => {
      await host((r) => r.task({ task: 't' }, () => 'é'.repeat(500_000)))
      const { run } = await createRun(client, deps, newRun(0))
      expect((await become(run, 'COMPLETED.Completed')).result).toMatchObject({ bytes: 1_000_002 })
    })

    it('a host that loses its connection for good is followed by another, which repeats no finished task', async () => {
      const bodies: string[] = []
      const reached = Promise.withResolvers<void>()
      const program =
        (who: string): Program =>
        async (r) => {
          for (let i = 0; i < 3; i++) await r.task({ task: 't' }, () => void bodies.push(`${who} ${i}`))
          if (who === 'one') {
            reached.resolve()
            await r.task({ task: 'stuck' }, () => new Promise(() => {}))
          }
          return who
        }
      const one = await host(program('one'))
      const { run } = await createRun(client, deps, newRun(0))
      await reached.promise
      await one.broker.stop()
      await host(program('two'))
      expect((await become(run, 'COMPLETED.Completed')).result).toEqual({ v: 'two' })
      expect(bodies).toEqual(['one 0', 'one 1', 'one 2'])
      hosts.splice(hosts.indexOf(one.host), 1)
      await one.host.stop().catch((error) => {
        if (!isCallboardError(error, 'CB_E_STOPPED')) throw error
      })
    })
  })
