/**
 * W7: a worker is killed with SIGKILL in the middle of twenty steps of 25 ms; another one completes the run. The scheduler
 * that notices is in this process, as it would be on a server.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRun, decodeEntry, LEASE_MS, openRun, type RunRecord } from '../../../src/actors/index.ts'
import { systemDeps } from '../../../src/core/index.ts'
import { STEP_MS, STEPS, SUM, startWorker, stepsOf, TWENTY_STEPS } from '../../../tests/support/workers.ts'
import type { Row } from '../../lib/results.ts'
import type { Stand } from '../../lib/stands.ts'
import { median } from '../../lib/stats.ts'
import { takeOver } from '../../lib/take-over.ts'

const KILLED_AFTER = 9

export async function* killed(stand: Stand, times: number): AsyncGenerator<Row> {
  const folder = await mkdtemp(join(tmpdir(), 'callboard-kill-'))
  const noticed: number[] = []
  const completed: number[] = []
  let twice = 0
  const { scheduler } = await takeOver(stand.broker)
  try {
    for (let i = 0; i < times; i++) {
      const result = await once(stand, join(folder, `steps-${i}`), i)
      noticed.push(result.noticed)
      completed.push(result.completed)
      twice += result.twice
    }
  } finally {
    await scheduler.stop()
    await rm(folder, { recursive: true, force: true })
  }
  yield {
    workload: 'W7 worker killed, HOST_LOST in the log',
    unit: 'ms',
    value: median(noticed),
    target: { kind: 'most', atMost: 1_000 },
    note: `slowest of ${times}: ${Math.round(Math.max(...noticed))} ms; leases of ${LEASE_MS} ms`,
  }
  yield {
    workload: 'W7 worker killed, run completed on another',
    unit: 'ms',
    value: median(completed),
    note: `slowest ${Math.round(Math.max(...completed))} ms; at least ${(STEPS - KILLED_AFTER - 2) * STEP_MS} ms of it are the steps that were left; steps run twice, in all: ${twice}`,
  }
}

/** Workers are named by their round: an id is never taken twice. */
async function once({ url, broker }: Stand, file: string, round: number) {
  await writeFile(file, '')
  const deps = systemDeps()
  await using first = await startWorker(url, file, `first-${round}`, LEASE_MS)
  await using second = await startWorker(url, file, `second-${round}`, LEASE_MS)
  const lost = Promise.withResolvers<void>()
  const over = Promise.withResolvers<void>()
  let watched = ''
  const following = await broker.log.follow({ partitions: 'all' }, 'tail', (entries) => {
    for (const entry of entries) {
      if (entry.subject !== watched) continue
      const records = decodeEntry(entry)
      if (records.some((record) => typeOf(record) === 'HOST_LOST')) lost.resolve()
      if (records.some((record) => typeOf(record) === 'COMPLETE')) over.resolve()
    }
  })
  const { run } = await createRun(broker, deps, TWENTY_STEPS)
  watched = run
  const host = await Promise.race(
    [first, second].map(async (worker) => {
      await worker.reached(run, KILLED_AFTER)
      return worker
    }),
  )
  const began = performance.now()
  await host.kill()
  await lost.promise
  const noticed = performance.now() - began
  await over.promise
  const completed = performance.now() - began
  await following.stop()
  const state = await openRun(broker, deps, run)
  if (JSON.stringify(state?.result) !== JSON.stringify({ v: SUM }))
    throw new Error(`The run came to ${JSON.stringify(state?.result)}.`)
  return { noticed, completed, twice: (await stepsOf(file, run)).length - STEPS }
}

const typeOf = (record: RunRecord) => (record.k === 'flow' ? record.e.type : undefined)
