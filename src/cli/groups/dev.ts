/** `callboard dev`: everything in one process, for working on flows. */

import { Command, Option } from '@commander-js/extra-typings'
import type { Context } from '../context.ts'
import { count } from '../input/index.ts'

export function devCommand(context: Context) {
  return new Command('dev')
    .description(
      'Broker, gateway, scheduler and worker in one process; the flows of the files as <flow>/dev, anew when you save.',
    )
    .argument('[files...]', 'files with flows')
    .option('--port <number>', 'of the gateway; 0 for any free one', count)
    .option('--limit <count>', 'runs at the same time', count)
    .addOption(
      new Option('--infrastructure <kind>', 'where the code runs; only process takes new code').choices([
        'inline',
        'thread',
        'process',
      ] as const),
    )
    .action(async (files, { port, limit, infrastructure = 'process' }) => {
      const [{ DEV_NAME, Registered, startServer, stopSignal }, { createWorker }, { openCatalog }] =
        await Promise.all([
          import('../servers/index.ts'),
          import('../../worker/index.ts'),
          import('../../catalog/index.ts'),
        ])
      const { out, folder } = context
      const { settings } = await context.settingsWith({ serverPort: port })
      const deps = await context.loggingDeps(settings)
      using signal = stopSignal()
      await using server = await startServer({ deps, settings })
      const { broker, gateway } = server
      const worker = createWorker({
        broker,
        deps,
        settings,
        limit,
        infrastructure,
        name: DEV_NAME,
        scheduler: false,
      })
      await worker.start()
      const registered = new Registered({
        ...{ catalog: openCatalog(broker, deps), deps, files, folder },
        say: (text) => out.note(text),
      })
      try {
        if (files.length > 0) await registered.start()
        out.line(`Listening on ${gateway.url}`)
        out.note(whereToLook(gateway.url, settings.brokerUrl, registered.ids))
        await signal.came
      } finally {
        registered.stop()
        await worker.stop()
      }
    })
}

function whereToLook(url: string, broker: string, ids: readonly string[]): string {
  const lines = ['', `  API      ${url}/api/docs`, `  broker   ${broker}`]
  for (const id of ids) lines.push(`  flow     callboard deployment run ${id} --watch`)
  if (ids.length === 0) lines.push('  flows    none: callboard dev flows.ts')
  return [...lines, '  runs     callboard flow-run ls', '', 'Ctrl-C ends it.', ''].join('\n')
}
