/**
 * The ground floor: time, randomness, ids, errors, durations, values, settings, logging, and the contract of
 * everything with a life. Imports nothing of ours; everything else may import it.
 */

export { type Clock, sleep, systemClock, type Timer, type TimerOptions } from './clock.ts'
export { createLogger, type LogDestination, type LoggerOptions } from './create-logger.ts'
export { type Deps, mintId, systemDeps } from './deps.ts'
export {
  DURATION_FORM,
  type DurationInput,
  type DurationLimits,
  formatDuration,
  LONGEST_DURATION_MS,
  parseDuration,
} from './durations.ts'
export { ERRORS, type ErrorCode, type ErrorKind, type ErrorRow } from './error-table.ts'
export {
  assertNever,
  CallboardError,
  type ErrorOptions,
  isCallboardError,
  isErrorCode,
  isRetryable,
  messageOf,
} from './errors.ts'
export { isToken, newId, PARTITIONS, partitionOf, TOKEN_PATTERN, timeOfId } from './ids.ts'
export { isJsonObject, isVouchedFor, type JsonObject, type JsonValue, vouchForJson } from './json.ts'
export { type Service, service } from './lifecycle.ts'
export { type Logger, type LogLevel, silentLogger } from './logger.ts'
export { nearest } from './nearest.ts'
export { isOwnQueue, ownQueue } from './own-queue.ts'
export { quote } from './quote.ts'
export { type Random, seededRandom, systemRandom } from './random.ts'
export { redactText } from './redact.ts'
export { fillTemplate, runName } from './run-names.ts'
export { HIDDEN, hideCredentials, isSecretName, Secret } from './secret.ts'
export {
  dataFolder,
  type Environment,
  type LoadOptions,
  loadSettings,
  optionsSource,
  type ResolvedSettings,
  resolveSettings,
  SETTING_NAMES,
  SETTINGS,
  type SettingExplanation,
  type SettingName,
  type SettingRow,
  type Settings,
  type SettingsInput,
  type Source,
  variableOf,
  variablesSource,
} from './settings/index.ts'
export { settlesWithin } from './settles-within.ts'
export { formatSize, parseSize, SIZE_FORM, type SizeInput } from './sizes.ts'
export { SteadyClock } from './steady-clock.ts'
export { tokenFor } from './token-for.ts'
export { traceOf, userStack } from './user-stack.ts'
export { copyJson, decodeJson, decodeValue, encodeToJson, encodeValue } from './values/index.ts'
export { packageVersion } from './version.ts'
export {
  type Candidate,
  type Chooser,
  type ClockView,
  inOrder,
  randomOrder,
  type ViewOptions,
  type VirtualClock,
  type VirtualClockOptions,
  virtualClock,
} from './virtual-clock.ts'
