/**
 * Pages and addresses: which pages may say something to the gateway, and under which names it may be called.
 *
 * A browser sends a page's origin with sockets and unsafe requests whatever the page wants; programs send none. A page of
 * this gateway's own address, or of a listed one, is welcome. A gateway that wants no keys also looks at the name it was called
 * by: a page may point a name of its own at an address of ours, and would then be of the same origin.
 */

import { isIP, isIPv4 } from 'node:net'

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost'])
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

export function isLoopback(host: string): boolean {
  const name = bare(host)
  return LOOPBACK.has(name) || (isIPv4(name) && name.startsWith('127.')) || name.endsWith('.localhost')
}

/** Whether whoever has that address is on this machine. */
export function isLocalAddress(address: string): boolean {
  return isLoopback(address.replace(/^::ffff:/, ''))
}

export interface Asked {
  readonly method: string
  readonly isSocket: boolean
  /** The header, as it came. */
  readonly host: string | undefined
  readonly origin: string | undefined
}

/** Under which names the gateway may be called. */
export type Names =
  /** It asks for keys, and pages do not have those of others. */
  | 'any'
  /** It listens on this machine only, and wants no keys. */
  | 'loopback'
  /** It listens for others and wants no keys: addresses, names without a dot, and those of listed origins. */
  | 'plain'

/** Why it is refused; undefined when it is not. */
export function refusalOf(
  { method, isSocket, host, origin }: Asked,
  { names, origins }: { readonly names: Names; readonly origins: readonly string[] },
): string | undefined {
  if (!isKnownAs(host, names, origins))
    return `This gateway does not know itself as '${host ?? ''}'. Call it by its address, or list the origin of that name in serverCorsOrigins.`
  if (origin === undefined || (!isSocket && SAFE_METHODS.has(method))) return undefined
  if (origins.includes(origin) || hostOf(origin) === host) return undefined
  return `Pages of ${origin} may not do this. List the origin in serverCorsOrigins if they should.`
}

function isKnownAs(host: string | undefined, names: Names, origins: readonly string[]): boolean {
  if (names === 'any') return true
  if (host === undefined) return false
  const name = hostnameOf(host)
  if (isLoopback(name)) return true
  if (origins.some((origin) => hostOf(origin) === host)) return true
  return names === 'plain' && (isIP(bare(name)) !== 0 || !name.includes('.'))
}

/** Without the port. */
function hostnameOf(host: string): string {
  return host.replace(/:\d+$/, '')
}

function bare(host: string): string {
  return host.replace(/^\[|\]$/g, '').toLowerCase()
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined
}
