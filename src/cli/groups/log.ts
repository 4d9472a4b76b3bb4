/** `callboard log`: a run's log as it stands at the broker, for support and for replay elsewhere. */

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Command } from '@commander-js/extra-typings'
import type { Context } from '../context.ts'
import { CommandFailure } from '../exits.ts'

export function logGroup(context: Context) {
  return new Command('log')
    .description("Runs' logs at the broker, as NDJSON: a line for each entry.")
    .addCommand(exportCommand(context))
    .addCommand(importCommand(context))
}

function exportCommand(context: Context) {
  return new Command('export')
    .description('Writes the log of a run to standard output. It holds parameters and results as they are.')
    .argument('<run>', 'its whole id')
    .action(async (run) => {
      const { withBroker } = await import('../with-broker.ts')
      await withBroker(context, async (broker) => {
        let entries = 0
        for await (const entry of broker.log.read(run)) {
          entries++
          context.out.line(
            JSON.stringify({
              subject: run,
              rev: entry.rev,
              at: entry.at,
              records: entry.records,
            }),
          )
        }
        if (entries === 0)
          throw new CommandFailure(
            `There is no log of a run ${run} at this broker. Give the whole id: callboard flow-run ls --json`,
          )
      })
    })
}

function importCommand(context: Context) {
  return new Command('import')
    .description('Puts an exported log into this broker, under its id; only where there is none.')
    .argument('<file>', 'as export wrote it; - for standard input')
    .option('--alive', 'also a run that has not ended: it goes on here')
    .action(async (file, { alive = false }) => {
      const text =
        file === '-'
          ? await textOf(context.around.stdin)
          : await readFile(resolve(context.folder, file), 'utf8')
      const { importLog } = await import('../import-log.ts')
      const { run, entries } = await importLog(context, text, { alive })
      context.out.line(`${run}: ${entries} entries`)
    })
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const part of stream) text += String(part)
  return text
}
