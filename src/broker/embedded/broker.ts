/**
 * The broker object: the port over one place, for one user of it.
 *
 * Invariant
 * (O1) Its parts exist from the end of `start` to the beginning of `stop`; any other call is refused with CB_E_STOPPED.
 */

import { CallboardError, type Deps, service } from '../../core/index.ts'
import type {
  Broker,
  BrokerOptions,
  BrokerStatus,
  Bus,
  Capabilities,
  KeyValue,
  Log,
  Objects,
  Queue,
} from '../port.ts'
import { embeddedBus } from './bus/index.ts'
import { embeddedKv } from './kv/index.ts'
import { embeddedLog } from './log/index.ts'
import { embeddedObjects } from './objects/index.ts'
import type { Place } from './place.ts'
import { embeddedQueue } from './queue/index.ts'
import { resolvePatience, type Seat, takeSeat } from './seat.ts'

/** The way into a place and out again. */
export interface Stay {
  readonly place: Place
  leave(): Promise<void>
}

interface Parts {
  readonly seat: Seat
  readonly stay: Stay
  readonly log: Log
  readonly queue: Queue
  readonly bus: Bus
  readonly kv: KeyValue
  readonly objects: Objects
}

type Phase =
  | { readonly is: 'new' }
  | { readonly is: 'open'; readonly parts: Parts }
  | { readonly is: 'closed' }

/** A broker on the place that `enter` leads to. */
export function brokerOn(
  url: string,
  enter: () => Promise<Stay>,
  deps: Deps,
  options: BrokerOptions,
): Broker {
  const handlers = new Set<(status: BrokerStatus) => void>()
  let status: BrokerStatus = 'starting'
  let phase: Phase = { is: 'new' }
  let capabilities: Capabilities | undefined

  function become(next: BrokerStatus): void {
    if (status === next) return
    status = next
    for (const handler of handlers) handler(next)
  }

  function refuse(): never {
    const why = phase.is === 'new' ? 'has not been started yet' : 'was stopped'
    throw new CallboardError('CB_E_STOPPED', `The broker ${url} ${why}. Await start() of a new one first.`)
  }

  const parts = (): Parts => (phase.is === 'open' ? phase.parts : refuse())

  const life = service(`The broker ${url}`, {
    async start() {
      const stay = await enter()
      const seat = takeSeat(deps, resolvePatience(options), stay.place.store, stay.place.committerFor(deps))
      capabilities = stay.place.capabilities
      phase = { is: 'open', parts: openParts(seat, stay) }
      become('connected')
    },
    async stop() {
      const { seat, stay } = parts()
      phase = { is: 'closed' }
      await seat.leave()
      await stay.leave()
    },
  })

  return {
    url,
    get capabilities() {
      return capabilities ?? refuse()
    },
    get status() {
      return status
    },
    onStatus(handler) {
      handlers.add(handler)
      return () => handlers.delete(handler)
    },
    start: life.start,
    async stop() {
      await life.stop()
      phase = { is: 'closed' }
      become('stopped')
    },
    log: {
      append: async (...call) => parts().log.append(...call),
      last: async (...call) => parts().log.last(...call),
      read: (...call) => lazily(() => parts().log.read(...call)),
      follow: async (...call) => parts().log.follow(...call),
      end: async () => parts().log.end(),
      compare: (...call) => parts().log.compare(...call),
      archive: async (...call) => parts().log.archive(...call),
    },
    queue: {
      enqueue: async (...call) => parts().queue.enqueue(...call),
      claim: async (...call) => parts().queue.claim(...call),
      depth: async (...call) => parts().queue.depth(...call),
    },
    bus: {
      publish: async (...call) => parts().bus.publish(...call),
      subscribe: async (...call) => parts().bus.subscribe(...call),
      request: async (...call) => parts().bus.request(...call),
    },
    kv: {
      bucket: async (...call) => parts().kv.bucket(...call),
    },
    objects: {
      put: async (...call) => parts().objects.put(...call),
      get: async (...call) => parts().objects.get(...call),
      delete: async (...call) => parts().objects.delete(...call),
    },
  }
}

function openParts(seat: Seat, stay: Stay): Parts {
  const { store, log, queue, kv, board, objects, now } = stay.place
  return {
    seat,
    stay,
    log: embeddedLog(seat, { store, ...log, now }),
    queue: embeddedQueue(seat, { ...queue, now }),
    bus: embeddedBus(seat, board),
    kv: embeddedKv(seat, { ...kv, now }),
    objects: embeddedObjects(seat, objects),
  }
}

/** What throws when it is opened, throws when it is first read. */
async function* lazily<T>(open: () => AsyncIterable<T>): AsyncGenerator<T, void, void> {
  yield* open()
}
