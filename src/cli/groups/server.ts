/** `callboard server`: the gateway, and the scheduler beside it. */

import { Command } from '@commander-js/extra-typings'
import type { Context } from '../context.ts'
import { CommandFailure } from '../exits.ts'
import { count } from '../input/index.ts'

export function serverGroup(context: Context) {
  return new Command('server')
    .description('The gateway (REST and live socket), and the scheduler beside it.')
    .addCommand(startCommand(context))
    .addCommand(statusCommand(context))
}

function startCommand(context: Context) {
  return new Command('start')
    .description('Serves until it is stopped. --broker says over which broker.')
    .option('--host <address>', 'the address to listen on; 127.0.0.1 unless the settings say another')
    .option('--port <number>', 'the port; 0 for any free one', count)
    .option('--store <folder>', 'what it keeps of the log to find things fast, or :memory:')
    .option('--insecure', 'nobody needs a key: something else keeps strangers out')
    .option('--no-scheduler', 'the gateway alone')
    .action(async ({ host, port, store, insecure, scheduler }) => {
      const { startServer, stopSignal } = await import('../servers/index.ts')
      const { settings } = await context.settingsWith({
        serverHost: host,
        serverPort: port,
        serverStore: store,
        serverAccess: insecure === true ? 'open' : undefined,
      })
      using signal = stopSignal()
      const deps = await context.loggingDeps(settings)
      await using server = await startServer({ deps, settings, scheduler })
      context.out.line(`Listening on ${server.gateway.url}`)
      await signal.came
      deps.logger.info({ name: 'callboard.server' }, 'stopping')
    })
}

function statusCommand(context: Context) {
  return new Command('status')
    .description('Whether the gateway is there and keeps up; ends with 1 when not.')
    .option('--json', 'as JSON')
    .action(async ({ json }) => {
      const client = await context.client()
      const [{ version }, ready] = await Promise.all([client.version(), client.ready()])
      const { out } = context
      if (json === true) out.json({ url: client.url, version, ...ready })
      else
        out.facts({
          gateway: client.url,
          version,
          ready: ready.ready
            ? out.colour('green', 'yes')
            : out.colour('red', `no: ${ready.reason ?? 'it is reading the log'}`),
          broker: ready.broker,
          'caught up': ready.caughtUp ? 'yes' : 'no',
        })
      if (!ready.ready) throw new CommandFailure('')
    })
}
