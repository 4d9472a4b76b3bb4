/** `callboard variable`: values by name that flows read. */

import { Command } from '@commander-js/extra-typings'
import type { Variable } from '../../client/index.ts'
import type { Context } from '../context.ts'
import { jsonOrText, several } from '../input/index.ts'
import { fromNow, oneLine } from '../output/index.ts'
import { deleteCommand, inspectCommand, type Kind, listCommand } from './definitions.ts'

export function variableGroup(context: Context) {
  const kind: Kind<Variable> = {
    title: 'variable',
    of: (client) => client.variables,
    columns: [
      { title: 'NAME', value: ({ name }) => name },
      { title: 'VALUE', value: ({ value }) => shortened(oneLine(value)) },
      { title: 'TAGS', value: ({ tags }) => tags.join(', ') },
      { title: 'CHANGED', value: ({ updatedAt }) => fromNow(updatedAt, context.deps.clock.now()) },
    ],
    nameOf: (text) => text,
    argument: '<name>',
    hint: 'Make one: callboard variable set <name> <value>',
  }
  return new Command('variable')
    .description('Values by name that flows read with Variable.get.')
    .addCommand(getCommand(context))
    .addCommand(setCommand(context))
    .addCommand(deleteCommand(context, kind).name('unset'))
    .addCommand(listCommand(context, kind))
    .addCommand(inspectCommand(context, kind))
}

function getCommand(context: Context) {
  return new Command('get')
    .description('The value: a text as it is, anything else as JSON.')
    .argument('<name>')
    .action(async (name) => {
      const { value } = await (await context.client()).variables.get(name)
      context.out.line(oneLine(value))
    })
}

function setCommand(context: Context) {
  return new Command('set')
    .description('Makes a variable, or changes one when --overwrite is given.')
    .argument('<name>')
    .argument('<value>', 'JSON; what is none is a text', jsonOrText)
    .option('--tag <tag>', 'several times', several)
    .option('--overwrite', 'also when there is one')
    .action(async (name, value, { tag, overwrite }) => {
      const { variables } = await context.client()
      const given = { name, value, ...(tag === undefined ? {} : { tags: [...tag] }) }
      await (overwrite === true ? variables.put(name, given) : variables.create(given))
      context.out.line(`${name} set`)
    })
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text
}
