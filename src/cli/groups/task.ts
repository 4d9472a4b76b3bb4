/** `callboard task`: background tasks. */

import { resolve } from 'node:path'
import { Command } from '@commander-js/extra-typings'
import type { Context } from '../context.ts'
import { host } from '../flows/index.ts'
import { count } from '../input/index.ts'

export function taskGroup(context: Context) {
  return new Command('task').description('Background tasks.').addCommand(serveCommand(context))
}

function serveCommand(context: Context) {
  return new Command('serve')
    .description(
      'Runs the tasks that files export for whoever delays or distributes them, until it is stopped.',
    )
    .argument('<file...>', 'files with tasks')
    .option('--limit <count>', 'bodies at the same time', count)
    .action(async (files, { limit }) => {
      const paths = files.map((file) => resolve(context.folder, file))
      const hosting = await host(context, { do: 'serve-tasks', files: paths, limit }, { quiet: false })
      const { what } = await hosting.told('serve')
      context.out.note(`Serving: ${what.join(', ')}`)
      await hosting.ended
    })
}
