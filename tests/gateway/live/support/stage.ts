/** A broker in memory, a host with flows on it, and gateways that may come and go. */

import { setImmediate as turn } from 'node:timers/promises'
import {
  createHost,
  createRun,
  type FlowPolicy,
  inlineRunner,
  type NewRun,
  type Program,
  sendSignal,
} from '../../../../src/actors/index.ts'
import { memoryBroker, memoryPlace } from '../../../../src/broker/embedded/index.ts'
import type { Broker } from '../../../../src/broker/index.ts'
import { type JsonObject, mintId, systemDeps } from '../../../../src/core/index.ts'
import { Client, type ClientOptions } from './client.ts'
import { type GatewayInput, startGateway, type TestGateway } from './gateway.ts'

const POLICY: FlowPolicy = {
  retries: 0,
  maxRecoveries: 3,
  onCrash: 'recover',
  graceMs: 1_000,
  timeoutMs: null,
  lateAfterMs: 60_000,
  target: { queue: 'test', priority: 1 },
  limits: [],
}

const deps = systemDeps()

export interface Stage extends AsyncDisposable {
  readonly broker: Broker
  gateway(input?: Partial<GatewayInput>): Promise<TestGateway>
  client(gateway: TestGateway, options?: ClientOptions): Promise<Client>
  /** A run that no worker has taken: nothing happens to it by itself. */
  create(more?: Partial<NewRun>): Promise<string>
  /** Hosts a run of this code; resolves once the run exists. */
  play(program: Program, more?: Partial<NewRun>): Promise<string>
  /** Looks again after every turn of the event loop, until it holds. */
  until(check: () => boolean): Promise<void>
  signal(run: string, name: string, payload?: JsonObject): ReturnType<typeof sendSignal>
}

/** The broker is stopped with the stage. */
export async function openStage(given?: Broker): Promise<Stage> {
  const broker = given ?? memoryBroker(memoryPlace(), deps)
  await broker.start()
  const flows = new Map<string, { readonly program: Program }>()
  const settings = { queues: ['played'], slots: 16 }
  const host = createHost({ broker, deps, runners: [inlineRunner(deps, flows)], settings })
  await host.start()
  const gateways = new Set<TestGateway>()
  const clients = new Set<Client>()
  const newRun = (more: Partial<NewRun>): NewRun => ({
    flow: 'weather',
    name: 'gentle-run',
    parameters: { v: null },
    policy: POLICY,
    by: { channel: 'test' },
    ...more,
  })
  return {
    broker,
    async gateway(input = {}) {
      const gateway = await startGateway({ broker, ...input })
      gateways.add(gateway)
      return gateway
    },
    async client(gateway, options) {
      const client = await Client.open(gateway.port, options)
      clients.add(client)
      return client
    },
    create: async (more = {}) => (await createRun(broker, deps, newRun(more))).run,
    async play(program, more = {}) {
      const flow = `flow-${flows.size}`
      flows.set(flow, { program })
      return (await host.begin(newRun({ flow, ...more }))).run
    },
    async until(check) {
      while (!check()) await turn()
    },
    signal: (run, name, payload) =>
      sendSignal(broker, deps, run, {
        name,
        key: mintId(deps),
        by: { channel: 'test' },
        ...(payload === undefined ? {} : { payload: { v: payload } }),
      }),
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.socket.terminate()
      await Promise.all([...clients].map(({ closed }) => closed))
      for (const gateway of gateways) await gateway.stop()
      await host.stop()
      await broker.stop()
    },
  }
}
