/** The other process of `elsewhere.ts`; its one argument is the way it goes. It ends when its parent lets go. */

import { openBroker } from '../../../src/broker/index.ts'
import { systemDeps } from '../../../src/core/index.ts'
import type { Client } from './client.ts'
import type { Order, Report, Way } from './elsewhere.ts'
import { engineClient } from './engine.ts'
import { natsClient } from './floor.ts'
import { restClient } from './rest.ts'

const tell = (report: Report) => process.send?.(report)

async function open(way: Way): Promise<Client> {
  if (way.by === 'floor') return natsClient(way.nats)
  if (way.by === 'rest') return restClient(way.gateway)
  const broker = await openBroker(way.broker, systemDeps())
  await broker.start()
  return engineClient(broker, way.queue)
}

function obey(client: Client, order: Order): Promise<number> {
  if (order.do === 'run') return client.run(order.flow)
  if (order.do === 'burst') return client.burst(order.flow, order.runs)
  return client.resume(order.flow, order.settledMs)
}

process.once('disconnect', () => process.exit())
const client = await open(JSON.parse(process.argv[2] ?? '{}'))
process.on('message', (order: Order) => {
  obey(client, order).then(
    (ms) => tell({ is: 'done', ms }),
    (error: unknown) => tell({ is: 'failed', why: String(error) }),
  )
})
tell({ is: 'ready', name: client.name })
