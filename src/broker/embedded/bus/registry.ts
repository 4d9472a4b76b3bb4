/**
 * Who listens where: one small file per process in the folder `peers`. A file whose process is gone is removed by
 * whoever finds nobody at its socket.
 */

import { mkdir, mkdtemp, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export interface Registration {
  readonly id: string
  readonly pid: number
  readonly socket: string
}

/** The longest socket path that every system takes (macOS: 104 with its end mark). */
const LONGEST_SOCKET_PATH = 103
const SUFFIX = '.json'

/** Makes the folder. A path for a socket of this process: in the folder, or where that is too deep, in one of the system's for the purpose. */
export async function chooseSocketPath(folder: string, id: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  const near = join(folder, `${id}.sock`)
  if (Buffer.byteLength(near) <= LONGEST_SOCKET_PATH) return near
  return join(await mkdtemp(join(tmpdir(), 'callboard-')), 'bus.sock')
}

export async function register(folder: string, registration: Registration): Promise<void> {
  const path = join(folder, registration.id + SUFFIX)
  await writeFile(`${path}.new`, JSON.stringify(registration))
  await rename(`${path}.new`, path)
}

/** Removes a registration and the socket it names, and the folder that was made for it when it was one. */
export async function unregister(
  folder: string,
  { id, socket }: Pick<Registration, 'id' | 'socket'>,
): Promise<void> {
  await rm(join(folder, id + SUFFIX), { force: true })
  await rm(socket, { force: true })
  if (dirname(socket) !== folder) await rmdir(dirname(socket)).catch(() => {})
}

export async function isRegistered(folder: string, id: string): Promise<boolean> {
  return (await readRegistration(folder, id + SUFFIX)) !== undefined
}

/** Everybody who is registered, alive or not. */
export async function registrations(folder: string): Promise<readonly Registration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(SUFFIX))
  const found = await Promise.all(names.map((name) => readRegistration(folder, name)))
  return found.filter((registration) => registration !== undefined)
}

async function readRegistration(folder: string, name: string): Promise<Registration | undefined> {
  try {
    const { id, pid, socket } = JSON.parse(await readFile(join(folder, name), 'utf8'))
    // Only a file that names itself may later be removed by that name.
    const isSound = id + SUFFIX === name && typeof pid === 'number' && typeof socket === 'string'
    return isSound ? { id, pid, socket } : undefined
  } catch {
    return undefined
  }
}
