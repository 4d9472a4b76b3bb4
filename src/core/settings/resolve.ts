/**
 * From what was given, by whomever, to the settings that hold.
 *
 * Three stages: the sources say what was given and where; the first source that has a setting decides it, the
 * table's default when none does; the setting's kind turns what was given into the value.
 *
 * Invariants
 * (S1) All faults of all sources are reported at once, each naming the variable or option and where it stands.
 * (S2) No secret is in a message or an explanation.
 */

import type { ErrorCode } from '../error-table.ts'
import { CallboardError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import { quote } from '../quote.ts'
import {
  SETTING_NAMES,
  SETTINGS,
  type SettingName,
  type SettingRow,
  type Settings,
  type Surroundings,
  variableOf,
} from './table.ts'

/** A place where settings are given. */
export interface Source {
  /** Goes on after "in": `the environment`, `.env`. */
  readonly where: string
  /** How this place spells the name of a setting. */
  readonly spell: (name: SettingName) => string
  /** What is given, under the names as they are spelt there. Undefined means not given. */
  readonly given: Readonly<Record<string, unknown>>
}

export interface SettingFault {
  readonly code: ErrorCode
  readonly message: string
}

/** Where the value of one setting comes from. */
export interface SettingExplanation {
  readonly name: SettingName
  readonly variable: string
  /** For people; undefined when the setting is unset. Secrets are hidden. */
  readonly shown: string | undefined
  /** `CALLBOARD_URL in the environment`, `url in the options`, or `default`. */
  readonly from: string
}

export interface ResolvedSettings {
  readonly settings: Settings
  /** Every setting in the order of the table. */
  readonly explanations: readonly SettingExplanation[]
  /** The variables that hand what was given on to another process, secrets and all: never show them. */
  variables(): Record<string, string>
}

interface Compiled extends SettingExplanation {
  readonly value: unknown
  readonly fault: SettingFault | undefined
  /** What is put into the variable for another process; undefined when the default holds. */
  readonly written: string | undefined
}

/**
 * @param sources the most important first
 * @param faults what went wrong before, to be reported with the rest
 * @throws CB_E_SETTING_INVALID, CB_E_SETTING_UNKNOWN, or the code of one of `faults`
 */
export function resolveSettings(
  sources: readonly Source[],
  surroundings: Surroundings,
  faults: readonly SettingFault[] = [],
): ResolvedSettings {
  const { value: home } = compile('home', sources, surroundings)
  const around = { home: typeof home === 'string' ? home : surroundings.home }
  const compiled = SETTING_NAMES.map((name) => compile(name, sources, around))

  const all = [...faults, ...sources.flatMap(unknownNames), ...compiled.flatMap(({ fault }) => fault ?? [])]
  if (all.length > 0) throw reportOf(all)
  return {
    settings: Object.fromEntries(compiled.map(({ name, value }) => [name, value])) as Settings,
    explanations: compiled.map(({ name, variable, shown, from }) => ({ name, variable, shown, from })),
    variables: () =>
      Object.fromEntries(
        compiled.flatMap(({ variable, written }) => (written === undefined ? [] : [[variable, written]])),
      ),
  }
}

/** Second and third stage for one setting: who decides it, and what it becomes. */
function compile(name: SettingName, sources: readonly Source[], surroundings: Surroundings): Compiled {
  const { kind, preset }: SettingRow = SETTINGS[name]
  const source = sources.find(({ spell, given }) => given[spell(name)] !== undefined)
  const given =
    source !== undefined
      ? source.given[source.spell(name)]
      : typeof preset === 'function'
        ? preset(surroundings)
        : preset
  const value = given === undefined ? undefined : kind.read(given)
  const isWrong = given !== undefined && value === undefined
  const from = source === undefined ? 'default' : `${source.spell(name)} in ${source.where}`
  return {
    name,
    variable: variableOf(name),
    value,
    shown: value === undefined ? undefined : kind.show(value),
    from,
    fault: isWrong ? { code: 'CB_E_SETTING_INVALID', message: notAllowed(kind, from, given) } : undefined,
    written: source === undefined || value === undefined ? undefined : kind.write(value),
  }
}

/** A text with an @ may be an address with a password in front (S2). */
function notAllowed({ name, allowed, form }: SettingRow['kind'], from: string, given: unknown): string {
  const isHidden = name === 'secret' || String(given).includes('@')
  const problem = isHidden ? 'wrong (what it is, is not shown here)' : quote(given)
  return `${from} is ${problem}. Allowed is ${allowed}${form === undefined ? '' : `: ${form}`}.`
}

function unknownNames({ where, spell, given }: Source): SettingFault[] {
  const names = SETTING_NAMES.map(spell)
  return Object.keys(given)
    .filter((name) => given[name] !== undefined && !names.includes(name))
    .map((name) => {
      const near = nearest(name, names)
      const advice = near === undefined ? 'Remove it.' : `Did you mean ${near}?`
      const message = `${quote(name)} in ${where} is not a setting that is known. ${advice}`
      return { code: 'CB_E_SETTING_UNKNOWN', message }
    })
}

function reportOf(faults: readonly SettingFault[]): CallboardError {
  const messages = faults.map(({ message }) => message)
  const { code } = faults.find((fault) => fault.code !== 'CB_E_SETTING_UNKNOWN') ?? {
    code: 'CB_E_SETTING_UNKNOWN',
  }
  const text =
    messages.length === 1
      ? messages.join()
      : `${messages.length} settings are wrong:\n- ${messages.join('\n- ')}`
  return new CallboardError(code, text, { details: { faults } })
}
