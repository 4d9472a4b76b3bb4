/**
 * One of the processes of `suites/tasks-elsewhere.ts`, as its first argument says: `serve` runs tasks for others, and the bare
 * items of the floor; `flow` is where the flow runs, and measures. The second argument is how many, the broker is that of the
 * environment.
 */

import { openBroker } from '../../src/broker/index.ts'
import { systemDeps } from '../../src/core/index.ts'
import { distributed, flow, serveTasks, task } from '../../src/sdk/public.ts'

/** What the flow's process has measured. */
export interface AwayFigures {
  readonly perSecond: number
  readonly floorPerSecond: number
  /** One at a time, ms. */
  readonly times: readonly number[]
  readonly floorTimes: readonly number[]
}

const QUEUE = 'away-floor'
const ADDRESS = 'away.floor'
const IN_FLIGHT = 200
const ONE_BY_ONE = 200

const nothing = task({ name: 'bench-nothing' }, async (n: number) => n)
const fan = flow({ name: 'bench-fan', taskRunner: distributed() }, async ({ n }: { n: number }) => {
  const began = performance.now()
  await nothing.map(Array.from({ length: n }, (_, each) => each)).result()
  return (n / (performance.now() - began)) * 1_000
})
const oneByOne = flow({ name: 'bench-one-by-one', taskRunner: distributed() }, async () => {
  const times: number[] = []
  for (let n = 0; n < ONE_BY_ONE; n++) {
    const began = performance.now()
    await nothing.submit(n).result()
    times.push(performance.now() - began)
  }
  return times
})

const [, , part, count] = process.argv
const broker = await openBroker(process.env.CALLBOARD_BROKER_URL ?? '', systemDeps())
await broker.start()

if (part === 'serve') {
  const serving = await serveTasks({ limit: 100 }, nothing)
  const over = new AbortController()
  process.once('message', () => over.abort())
  process.send?.('serving')
  while (!over.signal.aborted)
    for (const item of await broker.queue.claim([QUEUE], 100, over.signal))
      void broker.bus.request(ADDRESS, item.item).then(() => item.ack())
  await serving.stop()
} else {
  const answered = new Map<number, () => void>()
  const floor = await broker.bus.subscribe(ADDRESS, ({ value }) => {
    answered.get(Number(value))?.()
    return true
  })
  let sent = 0
  const bare = async () => {
    const n = sent++
    const answer = new Promise<void>((resolve) => answered.set(n, resolve))
    await broker.queue.enqueue(QUEUE, n, { id: `${process.pid}-${n}` })
    await answer
  }
  const n = Number(count)
  await fan({ n: 200 }) // what is loaded once is not measured
  await bare()
  const began = performance.now()
  let left = n
  const lane = async () => {
    while (left-- > 0) await bare()
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
  const floorPerSecond = (n / (performance.now() - began)) * 1_000
  const perSecond = await fan({ n })
  const floorTimes: number[] = []
  for (let each = 0; each < ONE_BY_ONE; each++) {
    const from = performance.now()
    await bare()
    floorTimes.push(performance.now() - from)
  }
  const figures: AwayFigures = { perSecond, floorPerSecond, times: await oneByOne(), floorTimes }
  process.send?.(figures)
  await floor.stop()
}
await broker.stop()
process.disconnect?.()
