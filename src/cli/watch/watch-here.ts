/** Watches a run where there is no gateway: one for this run alone, over the same broker, in this process. */

import { createClient } from '../../client/index.ts'
import type { Context } from '../context.ts'
import { watchRun } from './watch-run.ts'

export async function watchHere(context: Context, run: string): Promise<boolean> {
  const { settings } = await context.settingsWith({
    serverHost: '127.0.0.1',
    serverPort: 0,
    serverStore: ':memory:',
    serverAccess: 'open',
  })
  const { startServer } = await import('../servers/index.ts')
  await using server = await startServer({ deps: context.deps, settings, scheduler: false })
  const client = createClient({ url: server.gateway.url })
  try {
    return await watchRun(context, client, run)
  } finally {
    client.close()
  }
}
