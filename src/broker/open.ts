/**
 * The one place where a driver is chosen. Drivers are loaded when they are needed: whoever uses the embedded store
 * does not load a NATS client, and who only imports the port loads neither.
 */

import { CallboardError, type Deps, hideCredentials, nearest, quote, systemDeps } from '../core/index.ts'
import type { Broker, BrokerOptions } from './port.ts'

type Opener = (url: string, deps: Deps, options: BrokerOptions) => Promise<Broker>

const embedded: Opener = async (url, deps, options) =>
  (await import('./embedded/index.ts')).embeddedBroker(url, deps, options)

const nats: Opener = async (url, deps, options) =>
  (await import('./nats/index.ts')).natsBroker(url, deps, options)

const DRIVERS: Readonly<Record<string, Opener>> = {
  embedded,
  memory: embedded,
  nats,
  tls: nats,
}

/**
 * A broker for this URL, not started yet: `embedded:<folder>`, `memory:[name]`, or `nats://host:port` (also `tls://`).
 * `deps` are by default the machine's own clock and randomness, and a logger that says nothing.
 *
 * @throws CB_E_BROKER_URL, CB_E_URL_OPTION, naming what is wrong and what is allowed
 */
export async function openBroker(
  url: string,
  deps: Deps = systemDeps(),
  options: BrokerOptions = {},
): Promise<Broker> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1] ?? ''
  const open = Object.hasOwn(DRIVERS, scheme) ? DRIVERS[scheme] : undefined
  if (open) return open(url, deps, options)
  const near = nearest(scheme, Object.keys(DRIVERS))
  const hint = near ? ` Did you mean ${near}:?` : ''
  throw new CallboardError(
    'CB_E_BROKER_URL',
    `${quote(hideCredentials(url))} is not a broker URL.${hint} Give embedded:<folder>, memory:[name], or nats://host:port (also tls:).`,
  )
}
