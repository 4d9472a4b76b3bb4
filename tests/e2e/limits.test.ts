/** Two workers as processes of their own, each with a limit: how many runs they have at once, and how they share them. */

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createPool } from '../../src/catalog/index.ts'
import { clusterView } from '../support/cluster-view.ts'
import { startNats } from '../support/nats-server.ts'
import { startPoolWorker } from '../support/pool-workers.ts'

const RUNS = 50
const LIMITS = { ada: 2, bob: 3 }

async function folder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'callboard-limits-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

const BROKERS: Readonly<
  Record<string, (path: string) => Promise<AsyncDisposable & { readonly url: string }>>
> = {
  embedded: async (path) => ({ url: `embedded:${path}`, [Symbol.asyncDispose]: async () => {} }),
  NATS: () => startNats(),
}

/** The most at once, in all and by process, of lines like `+ 4711` (a run begins) and `- 4711` (it ends). */
function tally(lines: readonly string[]) {
  const now = new Map<string, number>()
  const most = new Map<string, number>()
  const begun = new Map<string, number>()
  const raise = (of: Map<string, number>, key: string, by: number) => {
    const value = (of.get(key) ?? 0) + by
    of.set(key, value)
    return value
  }
  for (const line of lines) {
    const [sign = '', pid = ''] = line.split(' ')
    if (sign === '+') raise(begun, pid, 1)
    for (const key of ['all', pid])
      most.set(key, Math.max(most.get(key) ?? 0, raise(now, key, sign === '+' ? 1 : -1)))
  }
  return { most, begun, left: now.get('all') ?? 0 }
}

describe.each(Object.entries(BROKERS))('on %s', (_, start) => {
  test('50 runs over workers with limits of 2 and 3 are never more than 5 at once, and fairly shared', async () => {
    await using place = await folder()
    await using broker = await start(place.path)
    await using at = await clusterView(broker.url)
    await createPool(at.catalog, { name: 'shared' })
    await at.deploy({
      ...{ name: 'default', flow: 'counted', pool: 'shared' },
      ...{ path: join(import.meta.dirname, 'fixtures'), entrypoint: 'flows.ts:counted' },
    })
    const worker = (name: keyof typeof LIMITS) =>
      startPoolWorker({
        ...{ brokerUrl: broker.url, pool: 'shared', name, infrastructure: 'inline' },
        ...{ limit: LIMITS[name], spares: 0, leaseMs: 3_000, drainMs: 10_000 },
      })
    await using ada = await worker('ada')
    await using bob = await worker('bob')
    const file = join(place.path, 'did')
    const ids = await Promise.all(Array.from({ length: RUNS }, () => at.start('counted/default', { file })))
    const ended = await Promise.all(ids.map((id) => at.end(id)))
    expect(ended.map(({ tag }) => tag)).toEqual(ids.map(() => 'COMPLETED.Completed'))

    const { most, begun, left } = tally((await readFile(file, 'utf8')).trimEnd().split('\n'))
    expect(left).toBe(0)
    expect(most.get('all')).toBeLessThanOrEqual(LIMITS.ada + LIMITS.bob)
    for (const [{ pid }, limit] of [
      [ada, LIMITS.ada],
      [bob, LIMITS.bob],
    ] as const) {
      expect(most.get(String(pid))).toBeLessThanOrEqual(limit)
      const share = (RUNS * limit) / (LIMITS.ada + LIMITS.bob)
      expect(begun.get(String(pid)) ?? 0).toBeGreaterThanOrEqual(share / 4)
    }
    for (const each of [ada, bob]) {
      each.terminate()
      expect(await each.exited).toBe(0)
    }
  }, 120_000)
})
