/** A connection to the broker, for as long as something is done with it. */

import { type Broker, openBroker } from '../broker/index.ts'
import type { Context } from './context.ts'

export async function withBroker<T>(context: Context, work: (broker: Broker) => Promise<T>): Promise<T> {
  const { brokerUrl } = await context.settings()
  const broker = await openBroker(brokerUrl, context.deps)
  await broker.start()
  try {
    return await work(broker)
  } finally {
    await broker.stop()
  }
}
