/** Profiles: named sets of settings in a file of the user's data folder. One of them is active. */

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CallboardError, isJsonObject, type JsonValue, messageOf } from '../../core/index.ts'

export interface Profiles {
  readonly active: string
  readonly profiles: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/** The one that is there before anybody made one. */
const FIRST_PROFILE = 'default'

const NONE: Profiles = { active: FIRST_PROFILE, profiles: { [FIRST_PROFILE]: {} } }

function profilesFile(home: string): string {
  return join(home, 'profiles.json')
}

/** @throws CB_E_CONFIG_FILE when the file is there and is not what this wrote */
export async function readProfiles(home: string): Promise<Profiles> {
  const path = profilesFile(home)
  const text = await readFile(path, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return undefined
    throw unusable(path, messageOf(error), error)
  })
  if (text === undefined) return NONE
  const found = parsed(path, text)
  if (!isJsonObject(found) || typeof found.active !== 'string' || !isJsonObject(found.profiles))
    throw unusable(path, 'it does not hold { "active": …, "profiles": … }')
  const profiles = Object.entries(found.profiles).filter(([, settings]) => isJsonObject(settings))
  return { active: found.active, profiles: Object.fromEntries(profiles) as Profiles['profiles'] }
}

/** In one step, and readable by the user alone: an API key may stand in it. */
export async function writeProfiles(home: string, profiles: Profiles): Promise<void> {
  const path = profilesFile(home)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(`${path}.new`, `${JSON.stringify(profiles, undefined, 2)}\n`, { mode: 0o600 })
  await rename(`${path}.new`, path)
}

function parsed(path: string, text: string): JsonValue {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw unusable(path, messageOf(error), error)
  }
}

function unusable(path: string, problem: string, cause?: unknown): CallboardError {
  return new CallboardError(
    'CB_E_CONFIG_FILE',
    `The profiles in ${path} cannot be read: ${problem}. Mend the file, or remove it.`,
    { cause, details: { path } },
  )
}
