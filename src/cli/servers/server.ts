/** What `callboard server start` is: a gateway and a scheduler over one broker. */

import { type Broker, openBroker } from '../../broker/index.ts'
import type { Deps, Service, Settings } from '../../core/index.ts'
import { createGateway, type Gateway } from '../../gateway/index.ts'
import { createScheduler } from '../../scheduler/index.ts'

export interface ServerParts extends AsyncDisposable {
  readonly broker: Broker
  readonly gateway: Gateway
}

export interface ServerPartsOptions {
  readonly deps: Deps
  readonly settings: Settings
  /** `false`: timers are fired by whoever else holds the partitions. Default `true`. */
  readonly scheduler?: boolean
}

/** Started one after the other; ended the other way round, also when one of them cannot start. */
export async function startServer({
  deps,
  settings,
  scheduler = true,
}: ServerPartsOptions): Promise<ServerParts> {
  await using opened = new AsyncDisposableStack()
  const start = async <Part extends Service>(part: Part): Promise<Part> => {
    opened.defer(() => part.stop())
    await part.start()
    return part
  }
  const broker = await openBroker(settings.brokerUrl, deps)
  await start(broker)
  if (scheduler) await start(createScheduler(broker, deps, { workerLeaseMs: settings.workerLease }))
  const gateway = await start(createGateway({ broker, deps, settings }))
  const parts = opened.move()
  return { broker, gateway, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}
