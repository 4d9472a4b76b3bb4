/** The folder of a store: what lies in it, and whether it is ours to use. */

import { mkdir, open, readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { CallboardError, messageOf } from '../../../core/index.ts'
import { HEADER_BYTES, identifyHeader, refuseUnless } from './schema.ts'

/** Everything a store keeps, by name within its folder. */
export const FILES = {
  database: 'callboard.db',
  /** Touched after each commit: what other processes watch. */
  wake: 'wake',
  /** Who listens where: one file per process. */
  peers: 'peers',
  objects: 'objects',
} as const

/** What may lie in a folder in which no store was made yet: leavings of file systems, and of a store being made right now. */
const HARMLESS: ReadonlySet<string> = new Set([
  '.DS_Store',
  '.gitignore',
  '.gitkeep',
  'lost+found',
  ...Object.values(FILES),
  `${FILES.database}-journal`,
  `${FILES.database}-shm`,
  `${FILES.database}-wal`,
])

/**
 * Makes the folder when it is missing and looks at what is in it. Its real path, so that one folder has one name.
 *
 * @throws CB_E_STORE_FOREIGN, CB_E_STORE_TOO_NEW, CB_E_STORE_DAMAGED, CB_E_STORE_UNWRITABLE, CB_E_STORE_FULL;
 * nothing in the folder was touched
 */
export async function prepareFolder(dir: string): Promise<string> {
  try {
    await mkdir(dir, { recursive: true })
    const names = await readdir(dir)
    if (names.includes(FILES.database)) await checkHeader(join(dir, FILES.database))
    else refuseStrangers(dir, names)
    return await realpath(dir)
  } catch (error) {
    throw fileError(dir, error)
  }
}

function refuseStrangers(dir: string, names: readonly string[]): void {
  const stranger = names.find((name) => !HARMLESS.has(name))
  if (stranger === undefined) return
  throw new CallboardError(
    'CB_E_STORE_FOREIGN',
    `The folder ${dir} holds other files ('${stranger}') and no store of Callboard. Give an empty folder, or one that Callboard made.`,
    { details: { dir, found: stranger } },
  )
}

async function checkHeader(path: string): Promise<void> {
  await using file = await open(path, 'r')
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0)
  const found = identifyHeader(buffer.subarray(0, bytesRead))
  if (found.is === 'damaged')
    throw new CallboardError(
      'CB_E_STORE_DAMAGED',
      `${path} should be a SQLite database and is not. Restore it from a backup, or give another folder.`,
    )
  refuseUnless(found, path)
}

/** The coded error for what a call to the file system threw; anything else stays what it is. */
export function fileError(where: string, error: unknown): unknown {
  if (!(error instanceof Error && 'syscall' in error && 'code' in error)) return error
  const { code } = error
  const options = { cause: error, details: { path: where } }
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new CallboardError(
      'CB_E_STORE_FULL',
      `No room on the disk for ${where}; nothing was written. Free space, then it goes on by itself.`,
      options,
    )
  return new CallboardError(
    'CB_E_STORE_UNWRITABLE',
    `The store cannot use ${where} (${messageOf(error)}). Give this user write permission there, or name another folder.`,
    options,
  )
}
