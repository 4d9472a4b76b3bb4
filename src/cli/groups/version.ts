/** `callboard version`. */

import { Command } from '@commander-js/extra-typings'
import { packageVersion } from '../../core/index.ts'
import type { Context } from '../context.ts'

export function versionCommand(context: Context) {
  return new Command('version')
    .description('The versions of this program, of Node, and of the gateway when it can be reached.')
    .option('--json', 'as JSON')
    .action(async ({ json }) => {
      const client = await context.client()
      const gateway = await client.version().then(
        ({ version }) => version,
        () => undefined,
      )
      const facts = { callboard: packageVersion(), node: process.version, gateway: gateway ?? undefined }
      if (json === true) context.out.json(facts)
      else context.out.facts({ ...facts, gateway: gateway ?? `not reached at ${client.url}` })
    })
}
