/**
 * Another process at the same place: run with a broker URL, it does what it is told over the process channel, until
 * it is killed. It never holds anything back: each order is answered with the number it came with.
 */

import { type Broker, type Claimed, openBroker } from '../../broker/index.ts'
import { type JsonValue, messageOf, systemDeps } from '../../core/index.ts'

/** What a peer can be told to do. */
export type Order =
  /** Appends so many entries, each as soon as the one before is acknowledged. */
  | { readonly do: 'fill'; readonly subject: string; readonly count: number }
  | { readonly do: 'claim'; readonly queue: string; readonly max: number }
  | { readonly do: 'answer'; readonly subject: string; readonly value: JsonValue }
  | { readonly do: 'create'; readonly bucket: string; readonly ttlMs: number; readonly key: string }

export type Report =
  | { readonly is: 'ready' }
  | { readonly is: 'appended'; readonly subject: string; readonly rev: number }
  | { readonly is: 'done'; readonly order: number; readonly value: JsonValue }
  | { readonly is: 'failed'; readonly order: number; readonly why: string }

const say = (report: Report) => process.send?.(report)
const held: Claimed[] = []

async function fill(broker: Broker, subject: string, count: number): Promise<null> {
  for (let landed = 0; landed < count; ) {
    const expect = (await broker.log.last(subject))?.rev ?? 0
    const record = JSON.stringify(`${process.pid}/${landed}`)
    const outcome = await broker.log.append(subject, [record], { expect })
    if (outcome.outcome === 'unknown') throw outcome.cause
    if (outcome.outcome === 'conflict') continue
    landed++
    say({ is: 'appended', subject, rev: outcome.rev })
  }
  return null
}

async function obey(broker: Broker, order: Order): Promise<JsonValue> {
  switch (order.do) {
    case 'fill':
      return fill(broker, order.subject, order.count)
    case 'claim': {
      const claimed = await broker.queue.claim([order.queue], order.max, new AbortController().signal)
      held.push(...claimed)
      return claimed.map((each) => each.id)
    }
    case 'answer':
      await broker.bus.subscribe(order.subject, () => order.value)
      return null
    case 'create': {
      const bucket = await broker.kv.bucket(order.bucket, { ttlMs: order.ttlMs })
      return (await bucket.create(order.key, process.pid)) ?? null
    }
  }
}

async function main(url: string, options: string): Promise<void> {
  const broker = await openBroker(url, systemDeps(), JSON.parse(options))
  await broker.start()
  let orders = 0
  process.on('message', (order: Order) => {
    const number = orders++
    obey(broker, order).then(
      (value) => say({ is: 'done', order: number, value }),
      (error: unknown) => say({ is: 'failed', order: number, why: messageOf(error) }),
    )
  })
  process.once('disconnect', () => process.exit())
  say({ is: 'ready' })
}

const [, , url = '', options = '{}'] = process.argv
await main(url, options)
