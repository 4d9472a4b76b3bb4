/** `callboard config`: the settings that hold, where each comes from, and those of the active profile. */

import { Command } from '@commander-js/extra-typings'
import {
  nearest,
  optionsSource,
  resolveSettings,
  SETTING_NAMES,
  SETTINGS,
  type SettingName,
  variableOf,
} from '../../core/index.ts'
import type { Context } from '../context.ts'
import { wrongUsage } from '../exits.ts'
import { homeOf, type Profiles, readProfiles, writeProfiles } from '../settings/index.ts'

export function configGroup(context: Context) {
  return new Command('config')
    .description(
      'Settings. They come from options, the environment, .env, callboard.config.ts, the profile, in this order.',
    )
    .addCommand(viewCommand(context))
    .addCommand(setCommand(context))
    .addCommand(unsetCommand(context))
    .addCommand(validateCommand(context))
}

function viewCommand(context: Context) {
  return new Command('view')
    .description('Every setting, its value and where that comes from. Secrets are hidden.')
    .option('--set', 'only those that are not at their default')
    .option('--json', 'as JSON')
    .action(async ({ set, json }) => {
      const { explanations } = await context.resolved()
      const shown = explanations.filter(({ from }) => set === undefined || from !== 'default')
      context.out.list(
        shown,
        [
          { title: 'SETTING', value: ({ name }) => name },
          { title: 'VALUE', value: ({ shown: value = '' }) => value },
          {
            title: 'FROM',
            value: ({ from }) => from,
            colour: ({ from }) => (from === 'default' ? 'gray' : undefined),
          },
        ],
        { json, none: 'Every setting is at its default.' },
      )
    })
}

function setCommand(context: Context) {
  return new Command('set')
    .description('Sets settings of the active profile, or of --profile.')
    .argument('<name=value...>')
    .action(async (pairs) => {
      const changes = pairs.map((pair) => {
        const at = pair.indexOf('=')
        if (at < 1) throw wrongUsage(`'${pair}' is no setting: write name=value.`)
        return [settingNamed(pair.slice(0, at)), pair.slice(at + 1)] as const
      })
      const { home } = surroundingsOf(context)
      // Refused before it is written, or every command after this one would fail.
      resolveSettings([optionsSource('the command line', Object.fromEntries(changes))], { home })
      const name = await changeProfile(context, (settings) => ({
        ...settings,
        ...Object.fromEntries(changes),
      }))
      for (const [setting] of changes) context.out.line(`${setting} set in the profile ${name}`)
    })
}

function unsetCommand(context: Context) {
  return new Command('unset')
    .description('Takes settings out of the active profile, or out of --profile.')
    .argument('<name...>')
    .action(async (names) => {
      const gone = names.map(settingNamed)
      const name = await changeProfile(context, (settings) =>
        Object.fromEntries(
          Object.entries(settings).filter(([setting]) => !gone.some((one) => one === setting)),
        ),
      )
      for (const setting of gone) context.out.line(`${setting} unset in the profile ${name}`)
    })
}

function validateCommand(context: Context) {
  return new Command('validate')
    .description('Checks every place that settings come from; ends with 2 when something is wrong.')
    .action(async () => {
      const { explanations, profile } = await context.resolved()
      const given = explanations.filter(({ from }) => from !== 'default').length
      context.out.line(`All settings are right: ${given} given, the profile is ${profile}.`)
    })
}

/** By its own name, or that of its variable. */
function settingNamed(text: string): SettingName {
  const name = SETTING_NAMES.find((one) => one === text || variableOf(one) === text)
  if (name !== undefined) return name
  const near = nearest(text, SETTING_NAMES)
  throw wrongUsage(
    `'${text}' is not a setting. ${near === undefined ? 'List them: callboard config view' : `Did you mean ${near}? ${SETTINGS[near as SettingName].meaning}`}`,
  )
}

function surroundingsOf({ around }: Context): { readonly home: string } {
  return { home: homeOf(around.environment) }
}

async function changeProfile(
  context: Context,
  change: (settings: Profiles['profiles'][string]) => Readonly<Record<string, unknown>>,
): Promise<string> {
  const { home } = surroundingsOf(context)
  const { active, profiles } = await readProfiles(home)
  const name = context.profileOption ?? active
  const before = profiles[name]
  if (before === undefined)
    throw wrongUsage(`There is no profile '${name}'. Make it with: callboard profile create ${name}`)
  await writeProfiles(home, { active, profiles: { ...profiles, [name]: change(before) } })
  return name
}
