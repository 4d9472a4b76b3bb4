/** A client of the bare engine: it starts runs through the log and the queue, and learns from the log what comes of them. */

import { createRun, isTerminalTag, type StateTag, sendSignal } from '../../../src/actors/index.ts'
import type { Broker, Entry } from '../../../src/broker/index.ts'
import { isJsonObject, mintId, sleep, systemDeps } from '../../../src/core/index.ts'
import { newRun } from '../new-run.ts'
import { type Client, inFlight, timed } from './client.ts'

type Told = (tag: StateTag) => void

/** @param queue where the host takes its runs from */
export async function engineClient(broker: Broker, queue: string): Promise<Client> {
  const deps = systemDeps()
  const told = new Map<string, Told>()
  const following = await broker.log.follow({ partitions: 'all' }, 'tail', (entries) => {
    for (const entry of entries) {
      const tell = told.get(entry.subject)
      if (tell) for (const tag of flowStatesIn(entry)) tell(tag)
    }
  })

  /** Its id, and when it has come to a state; to another end: an error. */
  async function start(
    flow: string,
  ): Promise<{ readonly id: string; reached(tag: StateTag): Promise<void> }> {
    const id = mintId(deps)
    const seen = new Set<StateTag>()
    const waiters = new Map<StateTag, () => void>()
    const failed = Promise.withResolvers<void>()
    failed.promise.catch(() => {})
    told.set(id, (tag) => {
      seen.add(tag)
      waiters.get(tag)?.()
      if (!isTerminalTag(tag)) return
      told.delete(id)
      if (tag !== 'COMPLETED.Completed') failed.reject(new Error(`Run ${id} ended ${tag}.`))
    })
    await createRun(broker, deps, { ...newRun(flow, queue), id })
    return {
      id,
      reached: (tag) =>
        seen.has(tag)
          ? Promise.resolve()
          : Promise.race([new Promise<void>((resolve) => waiters.set(tag, resolve)), failed.promise]),
    }
  }

  const run = async (flow: string) => (await start(flow)).reached('COMPLETED.Completed')
  return {
    name: 'the engine',
    run: (flow) => timed(() => run(flow)),
    burst: (flow, runs) => inFlight(runs, () => run(flow)),
    async resume(flow, settledMs) {
      const { id, reached } = await start(flow)
      await reached('PAUSED.Paused')
      await sleep(deps.clock, settledMs)
      return timed(async () => {
        const signal = { name: 'resume', key: mintId(deps), by: { channel: 'bench' } } as const
        const [answer] = await Promise.all([
          sendSignal(broker, deps, id, signal),
          reached('COMPLETED.Completed'),
        ])
        if (answer.outcome !== 'applied')
          throw new Error(`A resume of run ${id} was answered ${JSON.stringify(answer)}.`)
      })
    },
    stop: () => following.stop(),
  }
}

/** Looked for without a schema: it is asked for every entry of every run. */
function* flowStatesIn({ records }: Entry): Iterable<StateTag> {
  for (const record of records) if (isJsonObject(record) && record.k === 'flow') yield record.s as StateTag
}
