/**
 * Settings: one table of them, the places they can be given in, and what holds in the end.
 */

export { type LoadOptions, loadSettings } from './load.ts'
export { type ResolvedSettings, resolveSettings, type SettingExplanation, type Source } from './resolve.ts'
export { dataFolder, type Environment, optionsSource, variablesSource } from './sources.ts'
export {
  SETTING_NAMES,
  SETTINGS,
  type SettingName,
  type SettingRow,
  type Settings,
  type SettingsInput,
  variableOf,
} from './table.ts'
