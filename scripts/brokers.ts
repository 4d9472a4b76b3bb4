/**
 * Makes sure that the real brokers which tests and benches start are on this machine.
 *
 * `await findOrInstall('nats-server')` tries in this order: a program that is there already, the distribution's
 * package (Debian and its kin, as root), the service of `compose.yaml`. When none works it says what to do.
 * `node scripts/brokers.ts [names]` does so for every broker of the table and prints what it found.
 *
 * Invariant: nothing is left running that was not running before, except a Compose service that was asked for.
 * A distribution's package starts its own server when it is installed; that one is stopped and disabled.
 */

import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

interface Row {
  /** Debian's package, and the service it starts. */
  readonly debian: { readonly package: string; readonly service: string }
  readonly versionArgs: readonly string[]
  readonly versionPattern: RegExp
  readonly compose: { readonly service: string; readonly profile?: string }
  /** For people who have neither. */
  readonly byHand: string
}

const TABLE = {
  'nats-server': {
    debian: { package: 'nats-server', service: 'nats-server' },
    versionArgs: ['--version'],
    versionPattern: /v(\d+\.\d+\.\d+)/,
    compose: { service: 'nats' },
    byHand: 'install the package "nats-server", or put the program from https://nats.io/download on the PATH',
  },
} as const satisfies Record<string, Row>

export type BrokerName = keyof typeof TABLE

export type Found =
  /** A program that tests can start, stop and kill as they like. */
  | { readonly how: 'found' | 'installed'; readonly program: string; readonly version: string }
  /** A server that runs in a container. It cannot be killed or frozen by a test. */
  | { readonly how: 'compose'; readonly service: string }

export interface Surroundings {
  /** Where programs are looked for. Default: the PATH, then the folders that servers are installed in. */
  readonly path?: string
  /** Whether packages may be installed. Default: whether this process runs as root. */
  readonly root?: boolean
}

const ROOT_FOLDER = fileURLToPath(new URL('..', import.meta.url))
const SERVER_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/usr/bin', '/bin', '/sbin']

/**
 * Resolves with where the broker's program is, installing it when that is possible.
 *
 * @throws Error that says what was tried and what a person can do.
 */
export async function findOrInstall(name: BrokerName, surroundings: Surroundings = {}): Promise<Found> {
  const row: Row = TABLE[name]
  const path = surroundings.path ?? [process.env.PATH ?? '', ...SERVER_FOLDERS].join(delimiter)
  const root = surroundings.root ?? process.getuid?.() === 0

  const found = await locate(name, path)
  if (found) return { how: 'found', program: found, version: await versionOf(row, found) }

  const tried = [`a program "${name}" on the PATH`]
  if (root && (await locate('apt-get', path))) {
    const failure = await installPackage(row, path)
    const installed = await locate(name, path)
    if (installed) return { how: 'installed', program: installed, version: await versionOf(row, installed) }
    tried.push(`the package "${row.debian.package}"${failure ? ` (${failure})` : ''}`)
  }
  if (await locate('docker', path)) {
    const failure = await composeUp(row, path)
    if (failure === undefined) return { how: 'compose', service: row.compose.service }
    tried.push(`the service "${row.compose.service}" of compose.yaml (${failure})`)
  }
  throw new Error(`There is no ${name} on this machine. Tried ${tried.join(', ')}. Please ${row.byHand}.`)
}

async function locate(program: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    if (folder === '') continue
    const candidate = join(folder, program)
    const usable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (usable) return candidate
  }
  return undefined
}

async function versionOf(row: Row, program: string): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(program, [...row.versionArgs])
  return row.versionPattern.exec(stdout + stderr)?.[1] ?? 'unknown'
}

/** Resolves with what went wrong, in a line. */
async function installPackage(row: Row, path: string): Promise<string | undefined> {
  const apt = ['-o', 'DPkg::Lock::Timeout=300']
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const stale = await attempt('apt-get', [...apt, 'update'], path, env)
  const install = [...apt, 'install', '-y', '--no-install-recommends', row.debian.package]
  const failure = await attempt('apt-get', install, path, env)
  if (failure === undefined) await stopService(row.debian.service, path)
  return failure && (stale ?? failure)
}

/** Whichever of the two ways exists on this machine works; a machine without either started nothing. */
async function stopService(service: string, path: string): Promise<void> {
  if (await locate('systemctl', path)) await attempt('systemctl', ['disable', '--now', service], path)
  if (await locate('service', path)) await attempt('service', [service, 'stop'], path)
}

function composeUp(row: Row, path: string): Promise<string | undefined> {
  const profile = row.compose.profile === undefined ? [] : ['--profile', row.compose.profile]
  return attempt('docker', ['compose', ...profile, 'up', '--detach', '--wait', row.compose.service], path)
}

/** Runs a command; resolves with the last line it said when it failed, with undefined when it did not. */
async function attempt(
  program: string,
  args: readonly string[],
  path: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string | undefined> {
  const located = (await locate(program, path)) ?? program
  return new Promise((resolve) => {
    const options = { cwd: ROOT_FOLDER, env: { ...process.env, ...env, PATH: path } }
    execFile(located, [...args], options, (error, stdout, stderr) => {
      if (!error) return resolve(undefined)
      resolve(`${stdout}\n${stderr}`.trim().split('\n').at(-1) || error.message)
    })
  })
}

function isBrokerName(name: string): name is BrokerName {
  return Object.hasOwn(TABLE, name)
}

async function printWhatIsThere(asked: readonly string[]): Promise<void> {
  for (const name of asked.length > 0 ? asked : Object.keys(TABLE)) {
    try {
      if (!isBrokerName(name)) throw new Error(`${name} is not known; ${Object.keys(TABLE).join(', ')} are.`)
      const found = await findOrInstall(name)
      if (found.how === 'compose') console.log(`${name}: the Compose service "${found.service}"`)
      else console.log(`${name} ${found.version}: ${found.program} (${found.how})`)
    } catch (error) {
      console.error(error instanceof Error ? error.message : error)
      process.exitCode = 1
    }
  }
}

if (import.meta.main) await printWhatIsThere(process.argv.slice(2))
