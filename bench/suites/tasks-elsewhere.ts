/**
 * W10: bodies that do nothing, run for a flow by two other processes: how many a second, and how long one takes. The floor is
 * a bare item through the same queue, a request for it, and its acknowledgement, between the same processes.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { AwayFigures } from '../lib/away-process.ts'
import type { Row } from '../lib/results.ts'
import type { Stand } from '../lib/stands.ts'
import { median, quantile } from '../lib/stats.ts'

const PROGRAM = fileURLToPath(new URL('../lib/away-process.ts', import.meta.url))

export async function* measureTasksElsewhere({ url }: Stand, quick: boolean): AsyncGenerator<Row> {
  if (url === 'memory:') return // no other process can share it
  const begin = (...args: string[]) =>
    fork(PROGRAM, args, {
      env: { ...process.env, CALLBOARD_BROKER_URL: url, CALLBOARD_LOGGING_LEVEL: 'error' },
    })
  const servers = [begin('serve'), begin('serve')]
  await Promise.all(servers.map((server) => once(server, 'message')))
  const flow = begin('flow', quick ? '2000' : '10000')
  const [figures] = (await once(flow, 'message')) as [AwayFigures]
  await Promise.all([once(flow, 'exit'), ...servers.map(stop)])
  const isNats = url.startsWith('nats:') // what was promised was promised of it
  const { floorPerSecond, floorTimes, perSecond, times } = figures
  yield {
    workload: 'W10 tasks over two other processes',
    unit: '/s',
    value: perSecond,
    floor: { name: 'item, request, ack', value: floorPerSecond },
    ratio: perSecond / floorPerSecond,
    ...(isNats ? { target: { kind: 'rate', atLeast: 2_000 } } : {}),
  }
  yield {
    workload: 'W10 one task in another process',
    unit: 'ms',
    value: median(times),
    p99: quantile(times, 0.99),
    floor: { name: 'item, request', value: median(floorTimes) },
    ratio: median(times) / median(floorTimes),
    ...(isNats ? { target: { kind: 'most', atMost: 5 } } : {}),
  }
}

async function stop(server: ChildProcess): Promise<void> {
  const ended = once(server, 'exit')
  server.send('stop')
  await ended
}
