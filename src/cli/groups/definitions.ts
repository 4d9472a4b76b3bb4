/** Commands that are alike for everything defined by name: list, inspect, pause, resume, delete. */

import { Command } from '@commander-js/extra-typings'
import type { Collection, GatewayClient, Name } from '../../client/index.ts'
import type { Context } from '../context.ts'
import { confirmed } from '../input/index.ts'
import { type Column, oneLine } from '../output/index.ts'

export interface Kind<Shown> {
  /** `work pool` */
  readonly title: string
  readonly of: (
    client: GatewayClient,
  ) => Pick<Collection<Shown, never>, 'all' | 'get' | 'pause' | 'resume' | 'delete'>
  readonly columns: readonly Column<Shown>[]
  /** From what is written to the names that lead to it. */
  readonly nameOf: (text: string) => Name
  /** What is written: `<name>`, `<flow/name>`. */
  readonly argument: string
  /** How to make one, when there is none. */
  readonly hint: string
}

export function listCommand<Shown>(context: Context, { title, of, columns, hint }: Kind<Shown>) {
  return new Command('ls')
    .alias('list')
    .description(`Every ${title}.`)
    .option('--json', 'as JSON')
    .action(async ({ json }) => {
      const items = await Array.fromAsync(of(await context.client()).all())
      context.out.list(items, columns, { json, none: `There is no ${title}. ${hint}` })
    })
}

export function inspectCommand<Shown extends object>(
  context: Context,
  { title, of, nameOf, argument }: Kind<Shown>,
) {
  return new Command('inspect')
    .description(`Everything that is known of a ${title}.`)
    .argument(argument)
    .option('--json', 'as JSON')
    .action(async (text, { json }) => {
      const shown = await of(await context.client()).get(nameOf(String(text)))
      if (json === true) context.out.json(shown)
      else
        context.out.facts(
          Object.fromEntries(Object.entries(shown).map(([name, value]) => [name, oneLine(value)])),
        )
    })
}

export function pausingCommands<Shown>(context: Context, { title, of, nameOf, argument }: Kind<Shown>) {
  const one = (name: 'pause' | 'resume', description: string) =>
    new Command(name)
      .description(description)
      .argument(argument)
      .action(async (text) => {
        await of(await context.client())[name](nameOf(String(text)))
        context.out.line(`${text} ${name}d`)
      })
  return [
    one('pause', `Nothing new begins in this ${title}; what runs goes on.`),
    one('resume', `Lets a paused ${title} go on.`),
  ]
}

export function deleteCommand<Shown>(context: Context, { title, of, nameOf, argument }: Kind<Shown>) {
  return new Command('delete')
    .description(`Deletes a ${title}.`)
    .argument(argument)
    .option('-y, --yes', 'without asking')
    .action(async (text, { yes }) => {
      if (!(await confirmed(context, `Delete the ${title} '${text}'?`, yes))) return
      await of(await context.client()).delete(nameOf(String(text)))
      context.out.line(`${text} deleted`)
    })
}

/** `a/b` as two names; without a slash the first is `first`. */
export function twoNames(text: string, first: string): readonly [string, string] {
  const at = text.lastIndexOf('/')
  return at === -1 ? [first, text] : [text.slice(0, at), text.slice(at + 1)]
}
