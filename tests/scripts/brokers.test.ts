/** Finding and installing brokers, with programs of our own on the path in place of the machine's. */

import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findOrInstall } from '../../scripts/brokers.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callboard-brokers-'))
  await mkdir(join(folder, 'bin'))
})
afterEach(() => rm(folder, { recursive: true }))

const bin = (name: string) => join(folder, 'bin', name)

/** A shell script on the path. It notes how it was called. */
async function program(name: string, body: string): Promise<void> {
  await writeFile(bin(name), `#!/bin/sh\necho "${name} $*" >> ${join(folder, 'calls')}\n${body}\n`)
  await chmod(bin(name), 0o755)
}

const calls = async () => (await readFile(join(folder, 'calls'), 'utf8')).trim().split('\n')
const SERVER = 'echo "nats-server: v2.10.5"'
/** Makes the server's script, as installing the package would. */
const INSTALL = `case "$*" in *install*) printf '#!/bin/sh\\n${SERVER}\\n' > $0.new; chmod 755 $0.new 2>/dev/null || /bin/chmod 755 $0.new; /bin/mv $0.new "\${0%apt-get}nats-server";; esac`
const here = (root: boolean) => ({ path: join(folder, 'bin'), root })

describe('findOrInstall', () => {
  test('finds the program that is there, with its version, and runs nothing else', async () => {
    await program('nats-server', SERVER)
    await program('apt-get', 'exit 0')
    expect(await findOrInstall('nats-server', here(true))).toEqual({
      how: 'found',
      program: bin('nats-server'),
      version: '2.10.5',
    })
    expect(await calls()).toEqual(['nats-server --version'])
  })

  test('installs the package as root, and stops the service that the package starts', async () => {
    await program('apt-get', INSTALL)
    await program('systemctl', 'exit 0')
    await program('service', 'exit 0')
    expect(await findOrInstall('nats-server', here(true))).toMatchObject({
      how: 'installed',
      version: '2.10.5',
    })
    expect(await calls()).toEqual([
      expect.stringMatching(/^apt-get .*update$/),
      expect.stringMatching(/^apt-get .*install -y --no-install-recommends nats-server$/),
      'systemctl disable --now nats-server',
      'service nats-server stop',
    ])
  })

  test('installs from what is known when the list of packages cannot be brought up to date', async () => {
    await program('apt-get', `case "$*" in *update*) exit 100;; esac\n${INSTALL}`)
    expect(await findOrInstall('nats-server', here(true))).toMatchObject({ how: 'installed' })
  })

  test('starts the Compose service when it may not install', async () => {
    await program('apt-get', INSTALL)
    await program('docker', 'exit 0')
    expect(await findOrInstall('nats-server', here(false))).toEqual({ how: 'compose', service: 'nats' })
    expect(await calls()).toEqual(['docker compose up --detach --wait nats'])
  })

  test('says what it tried, why that failed, and what to do, when nothing works', async () => {
    await program('apt-get', 'echo "E: no such package" >&2; exit 100')
    await program('docker', 'echo "compose is not a docker command" >&2; exit 1')
    await expect(findOrInstall('nats-server', here(true))).rejects.toThrow(
      /no nats-server on this machine.*on the PATH.*"nats-server" \(E: no such package\).*"nats" of compose.yaml \(compose is not a docker command\).*Please install/,
    )
  })
})
