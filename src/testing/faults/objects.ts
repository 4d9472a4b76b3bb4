/** Objects behind a wire that fails. */

import type { Objects } from '../../broker/index.ts'
import { type Gate, shielded } from './gate.ts'

export function faultyObjects(inner: Objects, gate: Gate): Objects {
  return {
    put(key, data) {
      const given = data instanceof Uint8Array ? new Uint8Array(data) : data
      return gate.ask('objects.put', key, () => inner.put(key, given))
    },
    get: (key) =>
      gate.ask('objects.get', key, async () => {
        const found = await inner.get(key)
        return found && { ...found, data: shielded(gate, found.data) }
      }),
    delete: (key) => gate.ask('objects.delete', key, () => inner.delete(key)),
  }
}
