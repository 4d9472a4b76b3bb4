/** `callboard block`: typed configuration by type and name, with secrets that are not shown. */

import { Command, InvalidArgumentError } from '@commander-js/extra-typings'
import type { Block } from '../../client/index.ts'
import type { Context } from '../context.ts'
import { wrongUsage } from '../exits.ts'
import { keyValue } from '../input/index.ts'
import { fromNow } from '../output/index.ts'
import { deleteCommand, inspectCommand, type Kind, listCommand, twoNames } from './definitions.ts'

const NAME = '<type/name>'

function namesOf(text: string): readonly [string, string] {
  if (!text.includes('/'))
    throw wrongUsage(`'${text}' is no block: write type/name. List them: callboard block ls`)
  return twoNames(text, '')
}

export function blockGroup(context: Context) {
  const kind: Kind<Block> = {
    title: 'block',
    of: (client) => client.blocks,
    columns: [
      { title: 'NAME', value: ({ type, name }) => `${type}/${name}` },
      { title: 'FIELDS', value: ({ data }) => Object.keys(data).join(', ') },
      { title: 'SECRET', value: ({ secrets }) => secrets.join(', ') },
      { title: 'CHANGED', value: ({ updatedAt }) => fromNow(updatedAt, context.deps.clock.now()) },
    ],
    nameOf: namesOf,
    argument: NAME,
    hint: 'Make one: callboard block create <type/name> --set key=value',
  }
  return new Command('block')
    .description('Configuration that flows load with Block.define(…).load; its secrets are never shown.')
    .addCommand(createCommand(context))
    .addCommand(listCommand(context, kind))
    .addCommand(inspectCommand(context, kind))
    .addCommand(deleteCommand(context, kind))
}

function createCommand(context: Context) {
  return new Command('create')
    .description('Makes a block, or another one in its place when --overwrite is given.')
    .argument(NAME)
    .option('--set <key=value>', 'a field: JSON, what is none is a text (several times)', keyValue)
    .option('--secret <key=value>', 'a secret field, always a text (several times)', keyText)
    .option('--secret-env <key=VARIABLE>', 'a secret field from a variable of this environment', keyText)
    .option('--overwrite', 'also when there is one')
    .action(async (text, { set = {}, secret = {}, secretEnv = {}, overwrite }) => {
      const names = namesOf(text)
      const [type, name] = names
      const hidden = { ...secret, ...fromEnvironment(context, secretEnv) }
      const block = { type, name, data: { ...set, ...hidden }, secrets: Object.keys(hidden) }
      const { blocks } = await context.client()
      await (overwrite === true ? blocks.put(names, block) : blocks.create(block))
      context.out.line(`${text} saved`)
    })
}

type Texts = Readonly<Record<string, string>>

function keyText(text: string, before: Texts = {}): Texts {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Write it as key=value.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

/** So that a secret need not stand on the command line, where others see it. */
function fromEnvironment({ around }: Context, variables: Texts): Texts {
  return Object.fromEntries(
    Object.entries(variables).map(([key, variable]) => {
      const value = around.environment[variable]
      if (value === undefined) throw wrongUsage(`There is no variable ${variable} in this environment.`)
      return [key, value]
    }),
  )
}
