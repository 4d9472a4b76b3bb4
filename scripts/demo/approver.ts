/** A second program: waits on the live socket until a run asks, and answers over the same socket. */

import { createClient } from '../../src/client/index.ts'

const [, , url = '', run = ''] = process.argv
const client = createClient({ url })
for await (const item of client.flowRuns.watch(run, { after: 'start', kinds: ['state'] })) {
  const state =
    item.kind === 'state' ? item.data.state : item.kind === 'snapshot' ? item.snapshot?.run.state : undefined
  if (state?.type !== 'PAUSED') continue
  console.log(`I am asked: ${state.message ?? state.name}`)
  const { outcome, state: now } = await client.live.signal(run, 'resume', { payload: { publish: true } })
  console.log(`I say yes: ${outcome}, it is ${now?.name}`)
  break
}
client.close()
