/** The other process of `witness.ts`; its one argument is the broker's URL. */

import { openBroker } from '../../src/broker/index.ts'
import { systemDeps } from '../../src/core/index.ts'
import { type Report, WITNESS_QUEUE, WITNESS_SUBJECT } from './witness.ts'

const tell = (report: Report) => process.send?.(report)
const now = () => String(process.hrtime.bigint())

const broker = await openBroker(process.argv[2] ?? '', systemDeps())
await broker.start()

const following = await broker.log.follow({ partitions: 'all' }, 'tail', (entries) => {
  const at = now()
  for (const entry of entries) tell({ saw: 'entry', key: entry.subject, at })
})
await broker.bus.subscribe(WITNESS_SUBJECT, ({ value }) => value)

const over = new AbortController()
async function attend(): Promise<void> {
  while (!over.signal.aborted)
    for (const item of await broker.queue.claim([WITNESS_QUEUE], 1, over.signal)) {
      tell({ saw: 'item', key: item.id, at: now() })
      await item.ack()
    }
}
const attending = attend()

process.once('message', async () => {
  over.abort()
  await Promise.all([attending, following.stop()])
  await broker.stop()
  process.disconnect()
})
tell({ saw: 'ready' })
