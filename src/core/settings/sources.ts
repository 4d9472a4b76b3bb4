/** The places where settings are given: options, variables, files, a profile. */

import { access, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseEnv } from 'node:util'
import { CallboardError, messageOf } from '../errors.ts'
import type { Source } from './resolve.ts'
import { VARIABLE_PREFIX, variableOf } from './table.ts'

export type Environment = Readonly<Record<string, string | undefined>>

const CONFIG_FILES = ['callboard.config.ts', 'callboard.config.js']

/** Keys of the configuration file that are no settings; they are read by the rooms they belong to. */
const OTHER_SECTIONS: ReadonlySet<string> = new Set(['deployments'])

export function optionsSource(where: string, given: Readonly<Record<string, unknown>>): Source {
  return { where, spell: (name) => name, given }
}

/** Variables that begin with `CALLBOARD_`. An empty one counts as unset. */
export function variablesSource(where: string, environment: Environment): Source {
  const ours = Object.entries(environment).filter(
    ([name, text]) => name.startsWith(VARIABLE_PREFIX) && text !== '',
  )
  return { where, spell: variableOf, given: Object.fromEntries(ours) }
}

/**
 * The variables of the `.env` file in a folder, if there is one. They are read, not put into the process.
 *
 * @throws CB_E_CONFIG_FILE when it is there and cannot be read
 */
export async function dotEnvSource(folder: string): Promise<Source | undefined> {
  const path = join(folder, '.env')
  const text = await readFile(path, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return undefined
    throw unusable(path, `cannot be read: ${messageOf(error)}`, error)
  })
  return text === undefined ? undefined : variablesSource(path, parseEnv(text))
}

/**
 * The default export of a configuration file: `named`, or the one in a folder, if there is one. Node runs it as it
 * stands, also when it is TypeScript.
 *
 * @throws CB_E_CONFIG_FILE when it is not there although it was named, cannot be run, or exports no object
 */
export async function configFileSource(
  folder: string,
  named: string | undefined,
): Promise<Source | undefined> {
  const path = named === undefined ? await firstThatExists(folder, CONFIG_FILES) : resolve(folder, named)
  if (path === undefined) return undefined
  const exported = await import(pathToFileURL(path).href).catch((error) => {
    throw unusable(path, `cannot be loaded: ${messageOf(error)}`, error)
  })
  const config: unknown = exported.default
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw unusable(path, 'has no object as its default export. Write: export default { … }')
  const given = Object.entries(config).filter(([key]) => !OTHER_SECTIONS.has(key))
  return optionsSource(path, Object.fromEntries(given))
}

async function firstThatExists(folder: string, names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    const path = join(folder, name)
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path
  }
  return undefined
}

function unusable(path: string, problem: string, cause?: unknown): CallboardError {
  return new CallboardError('CB_E_CONFIG_FILE', `The file ${path} ${problem}`, { cause, details: { path } })
}

/** Where this system wants the data of a user's programs. */
export function dataFolder(environment: Environment, platform: NodeJS.Platform = process.platform): string {
  const home = homedir()
  switch (platform) {
    case 'darwin':
      return join(home, 'Library', 'Application Support', 'callboard')
    case 'win32':
      return join(environment.LOCALAPPDATA || join(home, 'AppData', 'Local'), 'callboard')
    default: {
      const given = environment.XDG_DATA_HOME ?? ''
      return join(isAbsolute(given) ? given : join(home, '.local', 'share'), 'callboard')
    }
  }
}
