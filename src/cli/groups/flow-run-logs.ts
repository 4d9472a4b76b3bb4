/** `callboard flow-run logs`: the lines of a run, those so far or as they come. */

import { Command, Option } from '@commander-js/extra-typings'
import type { LogLine } from '../../client/index.ts'
import type { Context } from '../context.ts'
import { runMeant } from '../input/index.ts'
import { lineText } from '../output/index.ts'

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const

export function logsCommand(context: Context) {
  return new Command('logs')
    .description('The log lines of a run.')
    .argument('<run>', 'its id, the beginning or end of it, or its name')
    .option('-f, --follow', 'and those that come, until it ends')
    .addOption(new Option('--level <level>', 'as important as this, or more').choices(LEVELS))
    .option('--json', 'one JSON object a line')
    .action(async (text, { follow, level, json }) => {
      const { out } = context
      const client = await context.client()
      const run = await runMeant(client, text, context.deps.clock.now())
      const say = (line: LogLine) => out.line(json === true ? JSON.stringify(line) : lineText(out, line))
      const least = level === undefined ? {} : { level }
      if (follow === true) {
        for await (const item of client.flowRuns.watch(run, {
          after: 'start',
          kinds: ['log', 'state'],
          ...least,
        }))
          if (item.kind === 'log') say(item.data)
      } else for await (const line of client.flowRuns.allLogs(run, { limit: 200, ...least })) say(line)
    })
}
