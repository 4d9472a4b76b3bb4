/** Whether the gateway may stand where it is told to, and whether it asks who comes. */

import { CallboardError } from '../../core/index.ts'
import { isLoopback } from './origins.ts'

/**
 * `auto`: whoever is on this machine needs no key, everybody else does. `keys`: everybody does. `open`: nobody does,
 * because something else keeps strangers out.
 */
export type AccessMode = 'auto' | 'keys' | 'open'

/** @throws CB_E_KEYS_NEEDED when it would shut everybody out, or nobody */
export function isOpenAt(host: string, mode: AccessMode, hasKeys: boolean): boolean {
  const isOpen = mode === 'open' || (mode === 'auto' && isLoopback(host))
  if (isOpen || hasKeys) return isOpen
  throw new CallboardError(
    'CB_E_KEYS_NEEDED',
    `The gateway does not listen on ${host}: others could reach it there, and there is no API key yet. Make one with "callboard api-key create <name> --scope admin --at-broker", listen on 127.0.0.1, or say --insecure if something else keeps strangers out.`,
  )
}
