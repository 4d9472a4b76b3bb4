/** `callboard flow-run watch`. */

import { Command } from '@commander-js/extra-typings'
import type { Context } from '../context.ts'
import { CommandFailure } from '../exits.ts'
import { isWholeId, runMeant } from '../input/index.ts'
import { sayOnce, untilCaughtUp, watchRun } from '../watch/index.ts'

export function watchCommand(context: Context) {
  return new Command('watch')
    .description(
      'A run as it goes: its task runs, their states, its last lines. Ends with it; 1 when it did not complete.',
    )
    .argument('<run>', 'its id, the beginning or end of it, or its name')
    .option('--plain', 'line after line, also on a terminal')
    .option('--json', 'one JSON object a line, as the gateway gives them')
    .action(async (text, { plain, json }) => {
      const client = await context.client()
      if (!isWholeId(text)) await untilCaughtUp(context, client)
      const run = await runMeant(client, text, context.deps.clock.now())
      if (json === true) {
        const onWait = sayOnce(context.out)
        for await (const item of client.flowRuns.watch(run, { after: 'start', onWait }))
          context.out.line(JSON.stringify(item))
        const { state } = await client.flowRuns.get(run)
        if (state.type !== 'COMPLETED') throw new CommandFailure('')
        return
      }
      const hasCompleted = await watchRun(context, client, run, { plain: plain === true })
      if (!hasCompleted) throw new CommandFailure('')
    })
}
