/** The other process of `rest-client.ts`; it ends when its parent lets go. */

import { createClient } from '../../src/client/index.ts'
import { sleep, systemClock } from '../../src/core/index.ts'
import type { Order, Report } from './rest-client.ts'

const [url = ''] = process.argv.slice(2)
const client = createClient({ url })
/** The types of states that runs were seen in, and who waits for one. */
const seen = new Map<string, Set<string>>()
const waiting = new Map<string, { readonly type: string; come(): void }>()

const tell = (report: Report) => process.send?.(report)

async function watch(): Promise<void> {
  for await (const item of client.flowRuns.watchAll({})) {
    if (item.kind === 'snapshot') {
      tell({ is: 'ready' })
      continue
    }
    if (item.kind !== 'state') throw new Error(`The client was told of a ${item.kind}.`)
    const { type } = item.data.state
    seen.set(item.run, (seen.get(item.run) ?? new Set()).add(type))
    const waiter = waiting.get(item.run)
    if (waiter?.type === type) waiter.come()
  }
}

function reached(run: string, type: string): Promise<void> {
  if (seen.get(run)?.has(type)) return Promise.resolve()
  return new Promise((come) => {
    waiting.set(run, { type, come })
  })
}

async function obey(order: Order): Promise<number> {
  const begins = performance.now()
  const { id } = await client.flowRuns.start({ deployment: order.deployment })
  if (order.do === 'run') {
    await reached(id, 'COMPLETED')
    return performance.now() - begins
  }
  await reached(id, 'PAUSED')
  await sleep(systemClock, order.pausedMs)
  const resumes = performance.now()
  const { outcome } = await client.flowRuns.resume(id)
  if (outcome !== 'applied') throw new Error(`A resume was answered ${outcome}.`)
  await reached(id, 'COMPLETED')
  return performance.now() - resumes
}

process.on('message', (order: Order) => {
  obey(order).then(
    (ms) => tell({ is: 'done', ms }),
    (error: unknown) => tell({ is: 'failed', why: String(error) }),
  )
})
process.once('disconnect', () => process.exit())
watch().catch((error: unknown) => tell({ is: 'failed', why: String(error) }))
