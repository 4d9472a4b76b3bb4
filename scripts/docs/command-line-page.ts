/** The reference page of the command line, from the definitions of its commands. */

import type { CommandUnknownOpts } from '@commander-js/extra-typings'
import { describedProgram } from '../../src/cli/index.ts'

export function commandLinePage(): string {
  const program = describedProgram()
  return `# The command line

<!-- Made from src/cli by \`npm run docs\`. Change that, not this. -->

\`callboard <group> <command>\`; \`--help\` works everywhere. Results go to standard output, everything else to standard error. A command
ends with 0 when it is done, with 1 when it failed (also when it waited for a run that did not complete), with 2 when it was
used wrongly. Listings are tables; \`--json\` makes them JSON. Runs are named by their id, the beginning or end of it, or their
name. Settings come from options, the environment, \`.env\`, \`callboard.config.ts\`, the profile, in this order
([all of them](settings.md)); \`callboard config view\` says where each comes from.

${optionTable('These options may stand anywhere:', program)}

${program.commands.map((command) => section(command, '')).join('\n\n')}
`
}

function section(command: CommandUnknownOpts, path: string): string {
  const name = `${path}${command.name()}`
  const alias = command.alias()
  const title = alias === undefined || path !== '' ? name : `${name}, ${alias}`
  if (command.commands.length === 0) return `## ${title}\n\n${entry(command, name)}`
  const entries = command.commands.map(
    (child) => `### ${name} ${child.name()}\n\n${entry(child, `${name} ${child.name()}`)}`,
  )
  return `## ${title}\n\n${command.description()}\n\n${entries.join('\n\n')}`
}

function entry(command: CommandUnknownOpts, name: string): string {
  const args = command.registeredArguments.map((argument) => {
    const text = `${argument.name()}${argument.variadic ? '...' : ''}`
    return argument.required ? `<${text}>` : `[${text}]`
  })
  const usage = ['callboard', name, ...args].join(' ')
  const meanings = command.registeredArguments
    .filter(({ description }) => description !== '')
    .map((argument) => `- \`${argument.name()}\`: ${plain(argument.description)}`)
  return [`${plain(command.description())}`, `    ${usage}`, meanings.join('\n'), optionTable('', command)]
    .filter((part) => part !== '')
    .join('\n\n')
}

function optionTable(title: string, { options }: CommandUnknownOpts): string {
  if (options.length === 0) return ''
  const rows = options.map(({ flags, description, argChoices, defaultValue }) => {
    const choices = argChoices === undefined ? '' : ` (${argChoices.join(', ')})`
    const preset =
      typeof defaultValue === 'string' || typeof defaultValue === 'number'
        ? `; default \`${defaultValue}\``
        : ''
    return `| \`${flags.replaceAll('|', '\\|')}\` | ${plain(description)}${choices}${preset} |`
  })
  return `${title === '' ? '' : `${title}\n\n`}| option | |\n|---|---|\n${rows.join('\n')}`
}

/** What would be read as markup is written as code. */
function plain(text: string): string {
  return text.replaceAll(/<[^>]+>|tag:<tag>/g, (found) => `\`${found}\``)
}
