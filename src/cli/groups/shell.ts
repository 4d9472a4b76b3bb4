/** `callboard shell`: a shell command as a flow, with its output as the log. */

import { Command } from '@commander-js/extra-typings'
import type { Context } from '../context.ts'
import { CommandFailure } from '../exits.ts'
import { host, programBeside } from '../flows/index.ts'
import { count, several } from '../input/index.ts'

const file = programBeside(import.meta.url, '../flows/shell-flow')

export function shellGroup(context: Context) {
  return new Command('shell')
    .description('Shell commands as flows, with their output as logs.')
    .addCommand(watchCommand(context))
    .addCommand(serveCommand(context))
}

function watchCommand(context: Context) {
  return new Command('watch')
    .description('Runs a command now; ends with 1 when it failed.')
    .argument('<command>', 'as the shell takes it: in quotes')
    .option('--name <name>', 'what the run is called')
    .option('--tag <tag>', 'several times', several)
    .action(async (command, { name, tag = [] }) => {
      const order = {
        do: 'run',
        file,
        exported: 'shellCommand',
        parameters: { command },
        name,
        tags: [...tag],
      } as const
      const hosting = await host(context, order, { quiet: false })
      const { state } = await hosting.told('end')
      await hosting.ended
      if (state.type !== 'COMPLETED') throw new CommandFailure(state.message ?? state.name)
    })
}

function serveCommand(context: Context) {
  return new Command('serve')
    .description('Serves a command as a deployment until it is stopped: start runs of it from anywhere.')
    .argument('<command>', 'as the shell takes it: in quotes')
    .requiredOption('--name <name>', 'of the deployment: shell-command/<name>')
    .option('--limit <count>', 'runs at the same time', count)
    .action(async (command, { name, limit }) => {
      const order = {
        do: 'serve',
        file,
        exported: 'shellCommand',
        parameters: { command },
        name,
        limit,
      } as const
      const hosting = await host(context, order, { quiet: false })
      const { what } = await hosting.told('serve')
      context.out.note(`Serving. Start a run: callboard deployment run ${what.join()}`)
      await hosting.ended
    })
}
