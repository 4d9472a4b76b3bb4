/**
 * Objects as files: one per key, named by the hash of the key (keys may be longer than a file name may be).
 *
 * Invariants
 * (O1) A file appears under its name in one step, complete: it is written under a name of its own first, then
 *      renamed. With `synchronous=full` it is on the disk before that, and the rename before the answer.
 * (O2) A put that fails leaves nothing but, when the process was killed, a file in `tmp` that a later start removes.
 */

import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CallboardError, type Deps, mintId } from '../../../core/index.ts'
import { fileError, type Synchronous } from '../store/index.ts'
import { CHUNK_BYTES, type ObjectBackend } from './backend.ts'

/** A file in `tmp` that has not been written to for this long belongs to nobody any more. */
const LEFT_BEHIND_MS = 3_600_000

export function fileObjects(folder: string, synchronous: Synchronous, deps: Deps): ObjectBackend {
  const tmp = join(folder, 'tmp')
  const durable = synchronous === 'full'
  const foldersThere = new Set<string>()

  const pathOf = (key: string): string => {
    const hash = createHash('sha256').update(key).digest('hex')
    return join(folder, hash.slice(0, 2), hash.slice(2))
  }

  async function ensureFolder(path: string): Promise<void> {
    if (foldersThere.has(path)) return
    await mkdir(path, { recursive: true })
    if (durable) await syncFolder(dirname(path))
    foldersThere.add(path)
  }

  async function openDraft(path: string): Promise<FileHandle> {
    await ensureFolder(tmp)
    return open(path, 'wx')
  }

  async function writeAll(path: string, data: AsyncIterable<Uint8Array>): Promise<number> {
    await using file = await onDisk(path, openDraft(path))
    let bytes = 0
    for await (const part of data) {
      await onDisk(path, writePart(file, part))
      bytes += part.length
    }
    if (durable) await onDisk(path, file.sync())
    return bytes
  }

  async function moveInto(from: string, to: string): Promise<void> {
    await ensureFolder(dirname(to))
    await rename(from, to)
    if (durable) await syncFolder(dirname(to))
  }

  async function* chunksOf(key: string, bytes: number): AsyncGenerator<Uint8Array, void, void> {
    await using file = await open(pathOf(key), 'r').catch((cause: unknown) => {
      throw missing(key, cause)
    })
    let left = bytes
    while (left > 0) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafeSlow(Math.min(left, CHUNK_BYTES)))
      if (bytesRead === 0) throw missing(key, undefined)
      left -= bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }

  return {
    async put(key, data) {
      const draft = join(tmp, mintId(deps))
      try {
        const bytes = await writeAll(draft, data)
        await onDisk(folder, moveInto(draft, pathOf(key)))
        return bytes
      } catch (error) {
        await rm(draft, { force: true }).catch(() => {})
        throw error
      }
    },
    async get(key) {
      const found = await onDisk(folder, ifThere(stat(pathOf(key))))
      return found && { bytes: found.size, data: chunksOf(key, found.size) }
    },
    async delete(key) {
      const removed = await onDisk(folder, ifThere(rm(pathOf(key)).then(() => true)))
      return removed ?? false
    },
  }
}

/** Removes what killed processes have left in `tmp` (O2). */
export async function removeLeftovers(folder: string, now: number): Promise<void> {
  const tmp = join(folder, 'tmp')
  const names = (await ifThere(readdir(tmp))) ?? []
  for (const name of names) {
    const path = join(tmp, name)
    const found = await ifThere(stat(path))
    if (found && found.mtimeMs < now - LEFT_BEHIND_MS) await rm(path, { force: true })
  }
}

async function writePart(file: FileHandle, part: Uint8Array): Promise<void> {
  for (let from = 0; from < part.length; ) {
    const { bytesWritten } = await file.write(part, from)
    from += bytesWritten
  }
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync()
}

/** What the promise resolves with; undefined when there is no such file. */
async function ifThere<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

async function onDisk<T>(where: string, promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (error) {
    throw fileError(where, error)
  }
}

function missing(key: string, cause: unknown): CallboardError {
  return new CallboardError(
    'CB_E_OBJECT_MISSING',
    `The object '${key}' was deleted or replaced while it was being read. Ask for it again.`,
    { cause },
  )
}
