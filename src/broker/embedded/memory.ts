/**
 * The embedded broker in memory: the same code over a database that is never written anywhere, without files,
 * sockets or timers of its own. For tests, for trying things out, and for the simulation: there each broker object
 * has its own clock (a machine), and the place may have one too (the broker's server).
 */

import type { Clock, Deps } from '../../core/index.ts'
import { type Broker, type BrokerOptions, LIMITS } from '../port.ts'
import { brokerOn, type Stay } from './broker.ts'
import { memoryObjects } from './objects/index.ts'
import { makePlace, type Place } from './place.ts'
import { FORMAT, openMemoryStore } from './store/index.ts'

export interface MemoryPlaceOptions {
  /**
   * The broker's own clock: what entries are stamped with, and what claims and keys expire by. Default: the clock
   * of the first broker that starts. Give one when machines crash or have wrong clocks.
   */
  readonly clock?: Clock
  /** For messages. Default `memory:`. */
  readonly url?: string
}

/** Something to share for brokers of one process. It lasts as long as it is referred to, also while none is open. */
export interface MemoryPlace {
  readonly url: string
  /** Comes in as one more user. */
  enter(deps: Deps): Stay
}

export function memoryPlace(options: MemoryPlaceOptions = {}): MemoryPlace {
  let place: Place | undefined
  let users = 0
  return {
    url: options.url ?? 'memory:',
    enter(deps) {
      place ??= openPlace({ ...deps, clock: options.clock ?? deps.clock })
      const { desk } = place.queue
      users++
      return {
        place,
        async leave() {
          users--
          if (users === 0) desk.stop()
        },
      }
    },
  }
}

/** A broker on a place in memory. Brokers with different `deps.clock` are different machines. */
export function memoryBroker(place: MemoryPlace, deps: Deps, options: BrokerOptions = {}): Broker {
  return brokerOn(place.url, async () => place.enter(deps), deps, options)
}

function openPlace(deps: Deps): Place {
  return makePlace({
    store: openMemoryStore(deps),
    deps,
    objects: memoryObjects(),
    announce() {},
    capabilities: {
      driver: 'memory',
      version: String(FORMAT),
      durability: 'none',
      replicas: 1,
      reach: 'process',
      ordered: true,
      expiryLagMs: 100,
      limits: LIMITS,
      warnings: ['Everything is in the memory of this process and gone when it ends.'],
    },
  })
}
