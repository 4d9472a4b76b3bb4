/** From a URL to a broker of this driver. */

import type { Deps } from '../../core/index.ts'
import type { Broker, BrokerOptions } from '../port.ts'
import { brokerOn, type Stay } from './broker.ts'
import { enterFolder } from './folder-place.ts'
import { type MemoryPlace, memoryPlace } from './memory.ts'
import { parseTarget } from './url.ts'

/** Named places in memory, while somebody is in them. */
const namedPlaces = new Map<string, { readonly place: MemoryPlace; users: number }>()

/**
 * A broker, not started yet.
 *
 * `embedded:<folder>[?synchronous=full|normal][&max_bytes=20GiB]` is shared by all processes of this machine;
 * `memory:name` by the brokers of this process that name it, as long as one of them is open; `memory:` by nobody.
 *
 * @throws CB_E_BROKER_URL, CB_E_URL_OPTION
 */
export function embeddedBroker(url: string, deps: Deps, options: BrokerOptions = {}): Broker {
  const target = parseTarget(url)
  if (target.is === 'folder')
    return brokerOn(url, () => enterFolder(target.dir, target.options, deps), deps, options)
  const enter = target.name === '' ? alone(url) : () => enterNamed(target.name, url, deps)
  return brokerOn(url, async () => enter(deps), deps, options)
}

function alone(url: string): (deps: Deps) => Stay {
  const place = memoryPlace({ url })
  return (deps) => place.enter(deps)
}

function enterNamed(name: string, url: string, deps: Deps): Stay {
  const named = namedPlaces.get(name) ?? { place: memoryPlace({ url }), users: 0 }
  namedPlaces.set(name, named)
  named.users++
  const stay = named.place.enter(deps)
  return {
    place: stay.place,
    async leave() {
      await stay.leave()
      named.users--
      if (named.users === 0) namedPlaces.delete(name)
    },
  }
}
