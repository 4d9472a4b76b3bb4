/** What the two homes of objects, a folder and this process's memory, have in common. */

export interface ObjectBackend {
  /** Stores all of `data` or, when reading it throws, nothing. The number of bytes. */
  put(key: string, data: AsyncIterable<Uint8Array>): Promise<number>
  get(key: string): Promise<{ readonly bytes: number; readonly data: AsyncIterable<Uint8Array> } | undefined>
  delete(key: string): Promise<boolean>
}

/** Nobody is handed more than this in one piece. */
export const CHUNK_BYTES = 64 * 1024
