/** The commands there are, by group. What a group needs besides the client it loads when it is used. */

import { Command, type CommandUnknownOpts } from '@commander-js/extra-typings'
import type { Context } from './context.ts'
import * as groups from './groups/index.ts'

/** Options of every command; they may stand anywhere. */
function rootCommand() {
  return new Command('callboard')
    .description('Durable workflows as actors on the message broker you already run.')
    .option('--profile <name>', 'settings of this profile')
    .option('--url <url>', 'the gateway, http://127.0.0.1:4200 unless the settings say another')
    .option('--api-key <key>', 'the API key to show to the gateway')
    .option('--broker <url>', 'the broker, for what does not go through a gateway')
}

export type Program = ReturnType<typeof rootCommand>

export function buildProgram(context: Context): Program {
  const program = rootCommand()
  const commands: readonly CommandUnknownOpts[] = [
    groups.devCommand(context),
    groups.runCommand(context),
    groups.initCommand(context),
    groups.doctorCommand(context),
    groups.versionCommand(context),
    groups.serverGroup(context),
    groups.workerGroup(context),
    groups.flowRunGroup(context),
    groups.taskRunGroup(context),
    groups.flowGroup(context),
    groups.deployCommand(context),
    groups.deploymentGroup(context),
    groups.workPoolGroup(context),
    groups.workQueueGroup(context),
    groups.limitGroup(context),
    groups.variableGroup(context),
    groups.blockGroup(context),
    groups.apiKeyGroup(context),
    groups.eventGroup(context),
    groups.artifactGroup(context),
    groups.configGroup(context),
    groups.profileGroup(context),
    groups.taskGroup(context),
    groups.shellGroup(context),
    groups.logGroup(context),
  ]
  for (const command of commands) program.addCommand(command)
  behaveAlike(program, context)
  return program
}

/** The same manners for every command, however deep: errors become exit code 2, and name what is near. */
function behaveAlike(command: CommandUnknownOpts, context: Context): void {
  const { stdout, stderr } = context.around
  command
    .exitOverride()
    .showSuggestionAfterError(true)
    .showHelpAfterError('(--help says more.)')
    .helpCommand(false)
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
    })
  for (const child of command.commands) behaveAlike(child, context)
}
