/** The settings that hold for a command, with those of its profile. */

import {
  dataFolder,
  type Environment,
  loadSettings,
  type ResolvedSettings,
  type SettingsInput,
} from '../../core/index.ts'
import { wrongUsage } from '../exits.ts'
import { readProfiles } from './profiles.ts'

export interface CommandSettings extends ResolvedSettings {
  /** The profile they are of. */
  readonly profile: string
}

export interface SettingsRequest {
  readonly options: SettingsInput
  readonly environment: Environment
  readonly folder: string
  /** Beats the variable and the active one. */
  readonly profile?: string | undefined
}

/**
 * @throws CB_E_SETTING_INVALID, CB_E_SETTING_UNKNOWN, CB_E_CONFIG_FILE
 */
export async function commandSettings(request: SettingsRequest): Promise<CommandSettings> {
  const { environment, folder, options } = request
  const { active, profiles } = await readProfiles(homeOf(environment))
  const name = request.profile ?? (environment.CALLBOARD_PROFILE || active)
  const settings = profiles[name]
  if (settings === undefined)
    throw wrongUsage(
      `There is no profile '${name}'. There are: ${Object.keys(profiles).join(', ')}. Make it with: callboard profile create ${name}`,
    )
  const resolved = await loadSettings({ options, environment, folder, profile: { name, settings } })
  return { ...resolved, profile: name }
}

/** Where profiles are kept: they come before all other settings, so only the environment can move them. */
export function homeOf(environment: Environment): string {
  return environment.CALLBOARD_HOME || dataFolder(environment)
}
