/** Objects in this process's memory, copied in and copied out. */

import { CHUNK_BYTES, type ObjectBackend } from './backend.ts'

export function memoryObjects(): ObjectBackend {
  const objects = new Map<string, Uint8Array>()

  async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
    for (let from = 0; from < bytes.length; from += CHUNK_BYTES) yield bytes.slice(from, from + CHUNK_BYTES)
  }

  return {
    async put(key, data) {
      const parts: Uint8Array[] = []
      for await (const part of data) parts.push(part.slice())
      const bytes = new Uint8Array(Buffer.concat(parts))
      objects.set(key, bytes)
      return bytes.length
    },
    async get(key) {
      const bytes = objects.get(key)
      return bytes && { bytes: bytes.length, data: chunksOf(bytes) }
    },
    delete: async (key) => objects.delete(key),
  }
}
