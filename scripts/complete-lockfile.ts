/**
 * `node scripts/complete-lockfile.ts`: puts the packages of other platforms back into `package-lock.json`.
 *
 * A package with a binary lists one optional dependency per platform. npm leaves those out of the lockfile that it
 * could not look up, as happens with a registry that serves one platform only; afterwards `npm ci` refuses the
 * lockfile, on every platform. What such an entry needs is in the name and the version. The integrity is not: npm adds
 * it on a machine that can fetch the package.
 */

import { readFile, writeFile } from 'node:fs/promises'
import { ROOT } from './lib/run.ts'

export interface LockedPackage {
  readonly version?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export interface Lockfile {
  readonly packages: Readonly<Record<string, LockedPackage>>
}

const SYSTEMS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
]

/** The optional dependencies that have no entry, as the entries they should have, by path. */
export function missingEntries({ packages }: Lockfile): Readonly<Record<string, LockedPackage>> {
  const missing: Record<string, LockedPackage> = {}
  for (const [path, { dev, optionalDependencies = {} }] of Object.entries(packages))
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const entry = `node_modules/${name}`
      if (entry in packages || `${path}/${entry}` in packages) continue
      missing[entry] = { version, ...platformOf(name), ...(dev && { dev }), optional: true }
    }
  return missing
}

/** What `…-<system>-<processor>[-<library>]` runs on. */
function platformOf(name: string): Pick<LockedPackage, 'os' | 'cpu' | 'libc'> {
  const words = name.split(/[/-]/)
  const at = words.findIndex((word) => SYSTEMS.includes(word))
  const [system, processor, library] = words.slice(at)
  if (at < 0 || system === undefined || processor === undefined)
    throw new Error(`The name of ${name} does not say on which platform it runs. Add its entry by hand.`)
  const libc = { musl: 'musl', gnu: 'glibc' }[system === 'linux' ? (library ?? '') : '']
  return { os: [system], cpu: [processor], ...(libc !== undefined && { libc: [libc] }) }
}

if (import.meta.main) {
  const file = `${ROOT}package-lock.json`
  const lockfile: Lockfile = JSON.parse(await readFile(file, 'utf8'))
  const missing = missingEntries(lockfile)
  const packages = Object.entries({ ...lockfile.packages, ...missing }).toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  )
  await writeFile(
    file,
    `${JSON.stringify({ ...lockfile, packages: Object.fromEntries(packages) }, null, 2)}\n`,
  )
  console.log(`${Object.keys(missing).length} entries added`)
}
