/** What the tests of the NATS driver share. */

import { type ConnectionOptions, connect, type NatsConnection } from '@nats-io/transport-node'
import type { AppendOutcome, Broker } from '../../../src/broker/index.ts'
import { type NatsBrokerOptions, natsBroker } from '../../../src/broker/nats/index.ts'
import { type Logger, mintId, sleep, systemClock, systemDeps } from '../../../src/core/index.ts'

export type OpenBroker = Broker & AsyncDisposable

export interface LogLine {
  readonly level: string
  readonly facts: object
  readonly message: string
}

/** A logger that remembers. */
export function recorder(): Logger & { readonly lines: LogLine[] } {
  const lines: LogLine[] = []
  const at = (level: string) => (facts: object, message: string) => void lines.push({ level, facts, message })
  const logger = {
    lines,
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  }
  return logger
}

/** A broker that is not started; stopped at the end of the scope. */
export function brokerAt(url: string, options: NatsBrokerOptions & { logger?: Logger } = {}): OpenBroker {
  const { logger, ...rest } = options
  const broker = natsBroker(url, systemDeps(logger), { environment: {}, ...rest })
  return Object.assign(broker, { [Symbol.asyncDispose]: () => broker.stop() })
}

/** A started broker; stopped at the end of the scope. */
export async function started(
  url: string,
  options: NatsBrokerOptions & { logger?: Logger } = {},
): Promise<OpenBroker> {
  const broker = brokerAt(url, options)
  await broker.start()
  return broker
}

/** A subject nobody has used; with `partition`, one of that partition. */
export const newSubject = (partition?: number): string => mintId(systemDeps(), partition)

export async function mustAppend(
  broker: Broker,
  subject: string,
  expect: number,
  record: string | number = expect + 1,
  nonce?: string,
): Promise<Extract<AppendOutcome, { outcome: 'appended' }>> {
  const options = nonce === undefined ? { expect } : { expect, nonce }
  const outcome = await broker.log.append(subject, [JSON.stringify(record)], options)
  if (outcome.outcome !== 'appended') throw new Error(`not appended on ${expect}: ${JSON.stringify(outcome)}`)
  return outcome
}

/** Appends `count` entries of one record each. */
export async function fill(broker: Broker, subject: string, count: number, from = 0): Promise<void> {
  for (let rev = from; rev < from + count; rev++) await mustAppend(broker, subject, rev)
}

export const revsOf = async (broker: Broker, subject: string, from = 1): Promise<number[]> =>
  (await Array.fromAsync(broker.log.read(subject, { from }))).map((entry) => entry.rev)

/** Asks again and again until the answer is neither undefined nor false. The test's own time-out ends it. */
export async function until<T>(
  probe: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  for (;;) {
    const answer = await probe()
    if (answer !== undefined && answer !== false) return answer
    await sleep(systemClock, 5)
  }
}

/** A plain connection beside the driver; closed at the end of the scope. */
export function rawConnection(
  url: string,
  options: ConnectionOptions = {},
): Promise<NatsConnection & AsyncDisposable> {
  return connect({ servers: url, ...options })
}

/** A call of JetStream's API beside the driver. */
export async function jsApi<T>(nc: NatsConnection, operation: string, body: object = {}): Promise<T> {
  const payload = Object.keys(body).length > 0 ? JSON.stringify(body) : ''
  return (await nc.request(`$JS.API.${operation}`, payload, { timeout: 5_000 })).json<T>()
}

export const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : error

/** What a promise rejects with; fails when it does not. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  const [settled] = await Promise.allSettled([promise])
  if (settled.status === 'rejected' && settled.reason instanceof Error) return settled.reason
  throw new Error(`it should have been refused, but: ${JSON.stringify(settled)}`)
}
