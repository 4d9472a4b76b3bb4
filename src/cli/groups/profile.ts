/** `callboard profile`: named sets of settings. */

import { Command } from '@commander-js/extra-typings'
import { isSecretName } from '../../core/index.ts'
import type { Context } from '../context.ts'
import { wrongUsage } from '../exits.ts'
import { confirmed } from '../input/index.ts'
import { oneLine } from '../output/index.ts'
import { homeOf, type Profiles, readProfiles, writeProfiles } from '../settings/index.ts'

export function profileGroup(context: Context) {
  return new Command('profile')
    .description('Named sets of settings; one of them is active.')
    .addCommand(listCommand(context))
    .addCommand(createCommand(context))
    .addCommand(useCommand(context))
    .addCommand(inspectCommand(context))
    .addCommand(deleteCommand(context))
}

const homeFor = ({ around }: Context) => homeOf(around.environment)

function listCommand(context: Context) {
  return new Command('ls')
    .alias('list')
    .description('Every profile.')
    .option('--json', 'as JSON')
    .action(async ({ json }) => {
      const { active, profiles } = await readProfiles(homeFor(context))
      const rows = Object.entries(profiles).map(([name, settings]) => ({
        name,
        active: name === active,
        settings: Object.keys(settings),
      }))
      context.out.list(
        rows,
        [
          { title: 'NAME', value: ({ name }) => name },
          { title: 'ACTIVE', value: (row) => (row.active ? 'yes' : ''), colour: () => 'green' },
          { title: 'SETS', value: ({ settings }) => settings.join(', ') },
        ],
        { json, none: 'No profiles.' },
      )
    })
}

function createCommand(context: Context) {
  return new Command('create')
    .description('Makes a profile.')
    .argument('<name>')
    .option('--from <name>', 'with the settings of this one')
    .action(async (name, { from }) => {
      const home = homeFor(context)
      const { active, profiles } = await readProfiles(home)
      if (profiles[name] !== undefined) throw wrongUsage(`There is a profile '${name}' already.`)
      const settings = from === undefined ? {} : known(profiles, from)
      await writeProfiles(home, { active, profiles: { ...profiles, [name]: settings } })
      context.out.line(`${name} created. Set something: callboard config set --profile ${name} url=https://…`)
    })
}

function useCommand(context: Context) {
  return new Command('use')
    .description('Makes a profile the active one.')
    .argument('<name>')
    .action(async (name) => {
      const home = homeFor(context)
      const { profiles } = await readProfiles(home)
      known(profiles, name)
      await writeProfiles(home, { active: name, profiles })
      context.out.line(`${name} is active`)
    })
}

function inspectCommand(context: Context) {
  return new Command('inspect')
    .description('The settings of a profile. Secrets are hidden.')
    .argument('<name>')
    .option('--json', 'as JSON')
    .action(async (name, { json }) => {
      const { profiles } = await readProfiles(homeFor(context))
      const settings = Object.fromEntries(
        Object.entries(known(profiles, name)).map(([setting, value]) => [
          setting,
          isSecretName(setting) ? '***' : oneLine(value),
        ]),
      )
      if (json === true) context.out.json(settings)
      else if (Object.keys(settings).length === 0) context.out.note(`${name} sets nothing.`)
      else context.out.facts(settings)
    })
}

function deleteCommand(context: Context) {
  return new Command('delete')
    .description('Deletes a profile that is not active.')
    .argument('<name>')
    .option('-y, --yes', 'without asking')
    .action(async (name, { yes }) => {
      const home = homeFor(context)
      const { active, profiles } = await readProfiles(home)
      known(profiles, name)
      if (name === active)
        throw wrongUsage(`'${name}' is active. Make another one active first: callboard profile use <name>`)
      if (!(await confirmed(context, `Delete the profile '${name}'?`, yes))) return
      const { [name]: _, ...rest } = profiles
      await writeProfiles(home, { active, profiles: rest })
      context.out.line(`${name} deleted`)
    })
}

function known(profiles: Profiles['profiles'], name: string): Profiles['profiles'][string] {
  const settings = profiles[name]
  if (settings === undefined)
    throw wrongUsage(`There is no profile '${name}'. There are: ${Object.keys(profiles).join(', ')}.`)
  return settings
}
