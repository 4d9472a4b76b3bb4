/** Gathers the settings from every place they can be given in. */

import { isCallboardError } from '../errors.ts'
import { type ResolvedSettings, resolveSettings, type SettingFault, type Source } from './resolve.ts'
import {
  configFileSource,
  dataFolder,
  dotEnvSource,
  type Environment,
  optionsSource,
  variablesSource,
} from './sources.ts'
import type { SettingsInput } from './table.ts'

export interface LoadOptions {
  /** What the program or the command line says; beats everything else. */
  readonly options?: SettingsInput
  /** Default: the variables of this process. */
  readonly environment?: Environment
  /** Where `.env` and `callboard.config.ts` are looked for. Default: the working directory. */
  readonly folder?: string
  /** A named set of settings; beats only the defaults. */
  readonly profile?: { readonly name: string; readonly settings: Readonly<Record<string, unknown>> }
}

/**
 * The settings that hold, and where each comes from: options, then the environment, then `.env`, then
 * `callboard.config.ts`, then the profile, then the default.
 *
 * @throws CB_E_SETTING_INVALID, CB_E_SETTING_UNKNOWN, CB_E_CONFIG_FILE; one error names everything that is wrong
 */
export async function loadSettings({
  options = {},
  environment = process.env,
  folder = process.cwd(),
  profile,
}: LoadOptions = {}): Promise<ResolvedSettings> {
  const faults: SettingFault[] = []
  const orFault = (error: unknown): undefined => {
    if (!isCallboardError(error, 'CB_E_CONFIG_FILE')) throw error
    faults.push({ code: error.code, message: error.message })
  }

  const given = [
    optionsSource('the options', options),
    variablesSource('the environment', environment),
    await dotEnvSource(folder).catch(orFault),
  ].filter((source) => source !== undefined)
  const config = await configFileSource(folder, namedConfigFile(given)).catch(orFault)
  const profiled = profile && optionsSource(`the profile ${profile.name}`, profile.settings)
  const sources = [...given, config, profiled].filter((source) => source !== undefined)
  return resolveSettings(sources, { home: dataFolder(environment) }, faults)
}

/** The configuration file itself may give settings, so its name is looked up before all others. */
function namedConfigFile(sources: readonly Source[]): string | undefined {
  for (const { spell, given } of sources) {
    const path = given[spell('configFile')]
    if (typeof path === 'string') return path
  }
  return undefined
}
