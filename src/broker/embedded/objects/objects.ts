/** The port's `Objects` for one broker object. */

import { checkKey } from '../../checks.ts'
import type { Objects } from '../../port.ts'
import type { Seat } from '../seat.ts'
import type { ObjectBackend } from './backend.ts'

export function embeddedObjects(seat: Seat, backend: ObjectBackend): Objects {
  async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
    yield bytes
  }

  return {
    async put(key, data) {
      checkKey('object', key)
      return {
        key,
        bytes: await seat.finish(backend.put(key, data instanceof Uint8Array ? once(data) : data)),
      }
    },
    async get(key) {
      checkKey('object', key)
      const found = await backend.get(key)
      return found && { key, ...found }
    },
    async delete(key) {
      checkKey('object', key)
      return seat.finish(backend.delete(key))
    },
  }
}
