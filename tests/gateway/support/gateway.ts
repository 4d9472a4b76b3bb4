/** A whole gateway on a free port of this machine, over a broker in memory or one that is given, and a way to ask it. */

import { memoryBroker, memoryPlace } from '../../../src/broker/embedded/index.ts'
import type { Broker } from '../../../src/broker/index.ts'
import {
  type Deps,
  optionsSource,
  resolveSettings,
  type SettingsInput,
  systemDeps,
} from '../../../src/core/index.ts'
import { createGateway, type GatewayOptions } from '../../../src/gateway/index.ts'

export interface Answered<T = never> {
  readonly status: number
  readonly headers: Headers
  readonly body: T
}

export interface Ask {
  readonly body?: unknown
  /** As it is, whatever it is. */
  readonly text?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface TestGateway extends AsyncDisposable {
  readonly url: string
  readonly broker: Broker
  readonly deps: Deps
  ask<T>(method: string, path: string, ask?: Ask): Promise<Answered<T>>
  get<T>(path: string, headers?: Readonly<Record<string, string>>): Promise<T>
}

export interface TestGatewayOptions extends Partial<Pick<GatewayOptions, 'access' | 'deps' | 'live'>> {
  readonly broker?: Broker
  readonly settings?: SettingsInput
}

export async function startGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const { deps = systemDeps(), settings: given = {}, broker: lent, ...rest } = options
  const broker = lent ?? memoryBroker(memoryPlace(), deps)
  await broker.start()
  const { settings } = resolveSettings(
    [optionsSource('the test', { serverPort: 0, serverStore: ':memory:', serverRateLimit: 0, ...given })],
    { home: '/nowhere' },
  )
  const gateway = createGateway({ broker, deps, settings, ...rest })
  await gateway.start()
  const ask = async <T>(method: string, path: string, { body, headers = {}, text }: Ask = {}) => {
    const sent = text ?? (body === undefined ? undefined : JSON.stringify(body))
    const response = await fetch(gateway.url + path, {
      method,
      // A test leaves no connection behind.
      headers: {
        connection: 'close',
        ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(sent === undefined ? {} : { body: sent }),
    })
    const answered = await response.text()
    const isJson = (response.headers.get('content-type') ?? '').includes('json')
    return {
      status: response.status,
      headers: response.headers,
      body: (isJson ? JSON.parse(answered) : answered) as T,
    }
  }
  return {
    url: gateway.url,
    broker,
    deps,
    ask,
    async get<T>(path: string, headers?: Readonly<Record<string, string>>) {
      const answered = await ask<T>('GET', path, headers === undefined ? {} : { headers })
      if (answered.status !== 200)
        throw new Error(`${path} answered ${answered.status}: ${JSON.stringify(answered.body)}`)
      return answered.body
    },
    async [Symbol.asyncDispose]() {
      await gateway.stop()
      if (lent === undefined) await broker.stop()
    },
  }
}

/** Deploys a flow whose runs nobody takes. */
export async function deploy(gateway: TestGateway, more: object = {}): Promise<void> {
  await gateway.ask('POST', '/api/v1/work-pools', { body: { name: 'default' } })
  const deployment = {
    name: 'prod',
    flow: 'weather',
    entrypoint: 'weather.ts:weather',
    path: '/flows',
    ...more,
  }
  const { status, body } = await gateway.ask('POST', '/api/v1/deployments', { body: deployment })
  if (status !== 201) throw new Error(`It could not be deployed: ${JSON.stringify(body)}`)
}
