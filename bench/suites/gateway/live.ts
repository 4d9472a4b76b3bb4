/**
 * W8: from just before an entry is appended to the log until each of many clients, in another process, has read the frame
 * that it became; beside a bare WebSocket server that sends the same text to as many. And how many log lines arrive a
 * second, with none lost.
 */

import { once } from 'node:events'
import { WebSocketServer } from 'ws'
import { createRun, encodeEntry, type NoteRecord, RECORD_VERSION } from '../../../src/actors/index.ts'
import type { Broker } from '../../../src/broker/index.ts'
import { optionsSource, resolveSettings, sleep, systemDeps } from '../../../src/core/index.ts'
import { createGateway, type Gateway } from '../../../src/gateway/index.ts'
import { markOf, openAudience } from '../../lib/audience.ts'
import { liveMemory } from '../../lib/memory.ts'
import { newRun } from '../../lib/new-run.ts'
import type { Row, Target } from '../../lib/results.ts'
import type { Stand } from '../../lib/stands.ts'
import { median, quantile } from '../../lib/stats.ts'

interface Size {
  readonly crowds: readonly { readonly sockets: number; readonly samples: number }[]
  readonly lines: { readonly sockets: number; readonly count: number }
}

const SIZES: Readonly<Record<'full' | 'quick', Size>> = {
  full: {
    crowds: [
      { sockets: 1, samples: 500 },
      { sockets: 100, samples: 300 },
      { sockets: 5_000, samples: 20 },
    ],
    lines: { sockets: 20, count: 20_000 },
  },
  quick: {
    crowds: [
      { sockets: 1, samples: 50 },
      { sockets: 100, samples: 50 },
    ],
    lines: { sockets: 5, count: 5_000 },
  },
}

const LINES_PER_ENTRY = 100
/** With fewer, what they take of the memory is lost in what the process takes anyway. */
const MANY = 1_000
const TARGETS: ReadonlyMap<number, Target> = new Map([[100, { kind: 'most', atMost: 5 }]])

const deps = systemDeps()

export async function* measureLive(stand: Stand, quick: boolean): AsyncGenerator<Row> {
  const { broker, url } = stand
  const { crowds, lines } = SIZES[quick ? 'quick' : 'full']
  const options = { brokerUrl: url, serverPort: 0, serverRateLimit: 0, serverStore: ':memory:' }
  const { settings } = resolveSettings([optionsSource('the bench', options)], { home: '/' })
  const gateway = createGateway({ broker, deps, settings })
  await gateway.start()
  await isReady(gateway)
  try {
    for (const { sockets, samples } of crowds) yield await toCrowd(broker, gateway, sockets, samples)
    yield await manyLines(broker, gateway, lines)
  } finally {
    await gateway.stop()
  }
}

/** It has read what other measurements left in the log. */
async function isReady({ url }: Gateway): Promise<void> {
  while ((await fetch(`${url}/api/ready`)).status !== 200) await sleep(deps.clock, 100)
}

async function toCrowd(broker: Broker, gateway: Gateway, sockets: number, samples: number): Promise<Row> {
  const run = await aRun(broker)
  const before = liveMemory()
  const audience = await openAudience({ ...liveOf(gateway, run.id), sockets })
  const perSocketKb = ((liveMemory() - before) * 1_000) / sockets
  const spans: number[] = []
  for (let n = 0; n < samples; n++) {
    const mark = `m${n}`
    spans.push(...(await audience.time(mark, () => run.say([markOf(mark)]))))
  }
  await audience.stop()
  const floor = await bareCrowd(sockets, samples)
  const target = TARGETS.get(sockets)
  return {
    workload: `W8 appended → frame read, ${sockets.toLocaleString('en')} sockets`,
    unit: 'ms',
    value: median(spans),
    p99: quantile(spans, 0.99),
    floor: { name: 'bare WebSocket server, no log', value: floor },
    ratio: median(spans) / floor,
    ...(sockets < MANY ? {} : { note: `${perSocketKb.toFixed(1)} kB of heap and buffers for each socket` }),
    ...(target === undefined ? {} : { target }),
  }
}

/** The least there is: the same text to as many sockets. Milliseconds, median. */
async function bareCrowd(sockets: number, samples: number): Promise<number> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const audience = await openAudience({ url: `ws://127.0.0.1:${port}`, sockets })
  const spans: number[] = []
  for (let n = 0; n < samples; n++) {
    const mark = `m${n}`
    const text = Buffer.from(`{"op":"event","sub":1,"data":"${markOf(mark)}${'.'.repeat(200)}"}`)
    const toAll = async () => {
      for (const client of server.clients) client.send(text, { binary: false })
    }
    spans.push(...(await audience.time(mark, toAll)))
  }
  await audience.stop()
  await new Promise((resolve) => server.close(resolve))
  return median(spans)
}

async function manyLines(broker: Broker, gateway: Gateway, { count, sockets }: Size['lines']): Promise<Row> {
  const run = await aRun(broker)
  const audience = await openAudience({ ...liveOf(gateway, run.id), sockets })
  const frames = count * sockets
  const cpu = process.cpuUsage()
  const { ms, gaps } = await audience.count(frames, async () => {
    for (let first = 0; first < count; first += LINES_PER_ENTRY)
      await run.say(
        Array.from({ length: LINES_PER_ENTRY }, (_, n) => `line ${first + n} of a run that says much`),
      )
  })
  const { user, system } = process.cpuUsage(cpu)
  await audience.stop()
  if (gaps > 0) throw new Error(`There were ${gaps} gaps.`)
  return {
    workload: `W8 log lines read, ${sockets} sockets`,
    unit: '/s',
    value: (frames / ms) * 1_000,
    note: `${count.toLocaleString('en')} lines to each, none lost; ${((user + system) / frames).toFixed(1)} µs of the gateway's processor each`,
  }
}

function liveOf({ url }: Gateway, run: string): { readonly url: string; readonly say: string } {
  return {
    url: `${url.replace('http', 'ws')}/api/v1/live`,
    say: JSON.stringify({ op: 'subscribe', id: 1, to: { run } }),
  }
}

/** A run that nobody hosts, so that its log is extended from here. */
async function aRun(
  broker: Broker,
): Promise<{ readonly id: string; say(lines: readonly string[]): Promise<void> }> {
  const { run: id } = await createRun(broker, deps, newRun('live'))
  let rev = 1
  return {
    id,
    async say(lines) {
      const at = deps.clock.now()
      const note: NoteRecord = {
        k: 'note',
        at,
        kind: 'log',
        data: { lines: lines.map((message) => ({ at, level: 'info', message })) },
      }
      const texts = encodeEntry({ k: 'head', v: RECORD_VERSION, snap: 0 }, [note])
      const outcome = await broker.log.append(id, texts, { expect: rev })
      if (outcome.outcome !== 'appended') throw new Error(`An append was answered ${outcome.outcome}.`)
      rev = outcome.rev
    },
  }
}
