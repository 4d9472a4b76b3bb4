/** Tasks that run on the workers of a pool, each in a process of its own, with the code of the flow that they belong to. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createPool } from '../../src/catalog/index.ts'
import { clusterView } from '../support/cluster-view.ts'
import { startPoolWorker } from '../support/pool-workers.ts'

test('tasks of a pool take the slots that their flow leaves while it waits for them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'callboard-away-'))
  await using _ = { [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
  const brokerUrl = `embedded:${folder}`
  await using at = await clusterView(brokerUrl)
  await createPool(at.catalog, { name: 'away' })
  await at.deploy({
    name: 'default',
    flow: 'spread',
    pool: 'away',
    path: join(import.meta.dirname, 'fixtures'),
    entrypoint: 'away.ts:spread',
  })
  await using worker = await startPoolWorker({
    ...{ brokerUrl, pool: 'away', name: 'ada', infrastructure: 'process' },
    ...{ limit: 1, spares: 0, leaseMs: 3_000, drainMs: 10_000 },
  })
  const id = await at.start('spread/default', { numbers: [2, 3, 4] })
  const { message, result, tag } = await at.end(id)
  expect([tag, message]).toEqual(['COMPLETED.Completed', ''])
  const { at: pid, squares } = result as { at: number; squares: { n: number; at: number; of: string }[] }
  expect(squares.map(({ n }) => n)).toEqual([4, 9, 16])
  expect(new Set([pid, ...squares.map((square) => square.at)]).size).toBe(4)
  expect(squares.map(({ of }) => of)).toEqual([0, 1, 2].map((place) => `${id}/square-${place}`))
  worker.terminate()
  expect(await worker.exited).toBe(0)
}, 120_000)
