/** `callboard concurrency-limit`, or `gcl`: how much may happen at a time, by name. */

import { Command, Option } from '@commander-js/extra-typings'
import type { ConcurrencyLimit, LimitReset } from '../../client/index.ts'
import type { Context } from '../context.ts'
import { amount, confirmed, count } from '../input/index.ts'
import type { Column } from '../output/index.ts'
import { deleteCommand, inspectCommand, type Kind, listCommand } from './definitions.ts'

const LIMITS: Kind<ConcurrencyLimit> = {
  title: 'concurrency limit',
  of: (client) => client.concurrencyLimits,
  columns: [
    { title: 'NAME', value: ({ name }) => name },
    { title: 'SLOTS', value: ({ slots }) => String(slots), align: 'right' },
    { title: 'WHEN FULL', value: ({ strategy }) => strategy },
    {
      title: 'FREED A SECOND',
      value: ({ decayPerSecond }) => (decayPerSecond === undefined ? '' : String(decayPerSecond)),
      align: 'right',
    },
    {
      title: 'STATE',
      value: ({ active }) => (active ? 'active' : 'off'),
      colour: ({ active }) => (active ? 'green' : 'gray'),
    },
  ],
  nameOf: (text) => text,
  argument: '<name>',
  hint: 'Make one: callboard concurrency-limit create <name> --slots 5',
}

export function limitGroup(context: Context) {
  return new Command('concurrency-limit')
    .alias('gcl')
    .description('Concurrency and rate limits. A limit named tag:<tag> holds for tasks with that tag.')
    .addCommand(createCommand(context))
    .addCommand(listCommand(context, LIMITS))
    .addCommand(inspectCommand(context, LIMITS))
    .addCommand(updateCommand(context))
    .addCommand(resetCommand(context))
    .addCommand(deleteCommand(context, LIMITS))
}

function described(name: string) {
  return new Command(name)
    .argument('<name>')
    .addOption(
      new Option('--strategy <word>', 'what becomes of one more when it is full').choices([
        'enqueue',
        'cancelNew',
        'cancelRunning',
      ] as const),
    )
    .option(
      '--decay <number>',
      'slots that become free by themselves each second: makes it a rate limit',
      amount,
    )
    .option('--active', 'it counts')
    .option('--no-active', 'it is as good as none')
}

interface LimitOptions {
  readonly strategy?: ConcurrencyLimit['strategy'] | undefined
  readonly decay?: number | undefined
  readonly active?: boolean | undefined
}

function fieldsOf({ strategy, decay, active }: LimitOptions) {
  return {
    ...(strategy === undefined ? {} : { strategy }),
    ...(decay === undefined ? {} : { decayPerSecond: decay }),
    ...(active === undefined ? {} : { active }),
  }
}

function createCommand(context: Context) {
  return described('create')
    .description('Makes a limit.')
    .requiredOption('--slots <count>', 'how much may be held at a time', count)
    .action(async (name, { slots, ...options }) => {
      await (await context.client()).concurrencyLimits.create({ name, slots, ...fieldsOf(options) })
      context.out.line(`${name} created`)
    })
}

function updateCommand(context: Context) {
  return described('update')
    .description('Changes what is given of a limit.')
    .option('--slots <count>', 'how much may be held at a time', count)
    .action(async (name, { slots, ...options }) => {
      const changes = { ...(slots === undefined ? {} : { slots }), ...fieldsOf(options) }
      await (await context.client()).concurrencyLimits.update(name, changes)
      context.out.line(`${name} updated`)
    })
}

const HOLDERS: readonly Column<LimitReset['holders'][number]>[] = [
  { title: 'RUN', value: ({ run }) => run },
  { title: 'TASK RUN', value: ({ taskRun }) => taskRun ?? '' },
  { title: 'SLOTS', value: ({ slots }) => String(slots), align: 'right' },
]

function resetCommand(context: Context) {
  return new Command('reset')
    .description('Gives back all slots of a limit, whoever has them: they go on, and count no more.')
    .argument('<name>')
    .option('-y, --yes', 'without asking')
    .option('--json', 'as JSON')
    .action(async (name, { json, yes }) => {
      const question = `Give back all slots of '${name}'? What has them goes on beside those who come next.`
      if (!(await confirmed(context, question, yes))) return
      const reset = await (await context.client()).concurrencyLimits.reset(name)
      if (json === true) return context.out.json(reset)
      const { freed, holders } = reset
      context.out.line(`${name} reset: ${freed === 1 ? '1 slot' : `${freed} slots`} given back`)
      if (holders.length > 0) context.out.table(holders, HOLDERS)
    })
}
