/** The client that users have: it starts and resumes runs by REST, and sees on its live socket what comes of it. */

import { createClient } from '../../../src/client/index.ts'
import { sleep, systemClock } from '../../../src/core/index.ts'
import { type Client, inFlight, timed } from './client.ts'

/** @param url the gateway's; resolves once its socket says what happens */
export async function restClient(url: string): Promise<Client> {
  const client = createClient({ url })
  /** The types of states that runs were seen in, and who waits for one. */
  const seen = new Map<string, Set<string>>()
  const waiting = new Map<string, { readonly type: string; come(): void }>()
  const told = client.flowRuns.watchAll({})
  const ready = Promise.withResolvers<void>()

  async function watch(): Promise<void> {
    for await (const item of told) {
      if (item.kind === 'snapshot') ready.resolve()
      else if (item.kind === 'state') {
        const { type } = item.data.state
        seen.set(item.run, (seen.get(item.run) ?? new Set()).add(type))
        const waiter = waiting.get(item.run)
        if (waiter?.type === type) waiter.come()
      } else throw new Error(`The client was told of a ${item.kind}.`)
    }
  }

  function reached(run: string, type: string): Promise<void> {
    if (seen.get(run)?.has(type)) return Promise.resolve()
    return new Promise((come) => {
      waiting.set(run, { type, come })
    })
  }

  const run = async (deployment: string) => {
    const { id } = await client.flowRuns.start({ deployment })
    await reached(id, 'COMPLETED')
    waiting.delete(id)
    seen.delete(id)
  }
  watch().catch(ready.reject)
  await ready.promise
  return {
    name: 'REST and the live socket',
    run: (deployment) => timed(() => run(deployment)),
    burst: (deployment, runs) => inFlight(runs, () => run(deployment)),
    async resume(deployment, settledMs) {
      const { id } = await client.flowRuns.start({ deployment })
      await reached(id, 'PAUSED')
      await sleep(systemClock, settledMs)
      return timed(async () => {
        const { outcome } = await client.flowRuns.resume(id)
        if (outcome !== 'applied') throw new Error(`A resume was answered ${outcome}.`)
        await reached(id, 'COMPLETED')
      })
    },
    async stop() {
      await told.return?.()
    },
  }
}
