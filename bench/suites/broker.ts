/**
 * What the broker port costs: appends beside the raw client's floor, and how long it takes until somebody else has
 * what was appended, enqueued or asked.
 */

import { setImmediate as turn } from 'node:timers/promises'
import type { Broker, Capabilities } from '../../src/broker/index.ts'
import { mintId, systemDeps } from '../../src/core/index.ts'
import { contest, rateOf, type Work } from '../lib/interleave.ts'
import type { Row, Target } from '../lib/results.ts'
import type { Stand } from '../lib/stands.ts'
import { median, quantile } from '../lib/stats.ts'
import { startWitness, WITNESS_QUEUE, WITNESS_SUBJECT } from '../lib/witness.ts'

interface Size {
  readonly rounds: number
  /** Operations per round. */
  readonly sequential: number
  readonly concurrent: number
  readonly groups: number
  /** Samples of a latency. */
  readonly samples: number
}

const SIZES: Readonly<Record<'full' | 'quick', Size>> = {
  full: { rounds: 9, sequential: 500, concurrent: 4096, groups: 100, samples: 1000 },
  quick: { rounds: 3, sequential: 100, concurrent: 1024, groups: 100, samples: 100 },
}

/** The share of the floor that must come out, where every append goes to a disk or to another process. */
function shareOf({ driver, durability }: Capabilities): number | undefined {
  if (driver === 'nats') return 0.85
  return durability === 'power' ? 0.6 : undefined
}

const GROUP_RATE: Target = { kind: 'rate', atLeast: 100_000 }

/** About what one transition of a run weighs. */
const RECORD = JSON.stringify({ kind: 'transition', to: 'Running', note: 'x'.repeat(150) })
const GROUP: readonly string[] = Array.from({ length: 100 }, () => RECORD)
const LANES = 512

const deps = systemDeps()

/** Measures one stand, a row at a time. */
export async function* measureBroker(stand: Stand, quick: boolean): AsyncGenerator<Row> {
  const size = SIZES[quick ? 'quick' : 'full']
  yield* appends(stand, size)
  yield* hereLatencies(stand, size.samples)
  if (stand.broker.capabilities.reach !== 'process') yield* elsewhereLatencies(stand, size.samples)
}

// ───────────────────────────────────────────────────────────────────────────── Appends

async function* appends(stand: Stand, size: Size): AsyncGenerator<Row> {
  const { broker, floor } = stand
  const share = shareOf(broker.capabilities)
  const target: Target | undefined = share === undefined ? undefined : { kind: 'ratio', atLeast: share }
  const rounds = size.rounds
  const ours = (records: readonly string[]) => () => appender(broker, records)
  const raw = (body: string) => floor && (() => floor.lane(body))

  yield await rateRow(
    { workload: 'append, one subject', target, floorName: floor?.name },
    lanes(1, ours([RECORD])),
    lanes(1, raw(RECORD)),
    { rounds, perRound: size.sequential },
  )
  yield await rateRow(
    { workload: `append, ${LANES} subjects at once`, target, floorName: floor?.name },
    lanes(LANES, ours([RECORD])),
    lanes(LANES, raw(RECORD)),
    { rounds, perRound: size.concurrent },
  )
  yield await rateRow(
    { workload: `records, ${GROUP.length} per append`, target: GROUP_RATE, floorName: floor?.name },
    lanes(1, ours(GROUP), GROUP.length),
    lanes(1, raw(`[${GROUP.join(',')}]`), GROUP.length),
    { rounds, perRound: size.groups * GROUP.length },
  )
}

/** One writer on a subject of its own: each call appends on top of the last one. */
function appender(broker: Broker, records: readonly string[]): () => Promise<void> {
  const subject = mintId(deps)
  let rev = 0
  return async () => {
    const outcome = await broker.log.append(subject, records, { expect: rev })
    if (outcome.outcome !== 'appended') throw new Error(`An append was answered ${outcome.outcome}.`)
    rev = outcome.rev
  }
}

/** `count` writers side by side, each waiting for its own last call; one call counts as `weight` operations. */
function lanes(count: number, open: () => () => Promise<void>, weight?: number): Work
function lanes(
  count: number,
  open: (() => () => Promise<void>) | undefined,
  weight?: number,
): Work | undefined
function lanes(count: number, open: (() => () => Promise<void>) | undefined, weight = 1): Work | undefined {
  if (open === undefined) return undefined
  const steps = Array.from({ length: count }, open)
  return async (n) => {
    let left = n / weight
    const walk = async (step: () => Promise<void>) => {
      while (left-- > 0) await step()
    }
    await Promise.all(steps.map(walk))
  }
}

/** Against the floor in turns where there is one, alone where there is none. */
async function rateRow(
  what: { workload: string; target: Target | undefined; floorName: string | undefined },
  subject: Work,
  floor: Work | undefined,
  options: { rounds: number; perRound: number },
): Promise<Row> {
  const { workload, floorName = '' } = what
  const aim = what.target && { target: what.target }
  if (floor === undefined) {
    await rateOf(subject, options.perRound)
    const rates: number[] = []
    for (let round = 0; round < options.rounds; round++) rates.push(await rateOf(subject, options.perRound))
    return { workload, unit: '/s', value: median(rates), ...aim }
  }
  const { subject: value, floor: floorRate, ratio, spread } = await contest(subject, floor, options)
  return { workload, unit: '/s', value, floor: { name: floorName, value: floorRate }, ratio, spread, ...aim }
}

// ───────────────────────────────────────────────────────────────────────────── Latencies

/** Everything within this process, on one connection. */
async function* hereLatencies({ broker }: Stand, samples: number): AsyncGenerator<Row> {
  const arrivals = new Map<string, () => void>()
  const following = await broker.log.follow({ partitions: 'all' }, 'tail', (entries) => {
    for (const entry of entries) arrivals.get(entry.subject)?.()
  })
  yield await timeRow('append to follower, here', samples, async () => {
    const subject = mintId(deps)
    const arrived = new Promise<void>((resolve) => arrivals.set(subject, resolve))
    await broker.log.append(subject, [RECORD], { expect: 0 })
    await arrived
    arrivals.delete(subject)
  })
  await following.stop()

  const never = new AbortController().signal
  const throughQueue = async () => {
    const claiming = broker.queue.claim(['bench-here'], 1, never)
    await broker.queue.enqueue('bench-here', { run: 1 }, { id: mintId(deps) })
    return claiming
  }
  yield await timeRow('enqueue to claim, here', samples, throughQueue, async ([item]) => item?.ack())

  const echo = await broker.bus.subscribe('bench.here', ({ value }) => value)
  yield await timeRow('request to reply, here', samples, () => ask(broker, 'bench.here'))
  await echo.stop()
}

/** From this process to another one. */
async function* elsewhereLatencies({ url, broker, floor }: Stand, samples: number): AsyncGenerator<Row> {
  const witness = await startWitness(url)
  try {
    const entries: number[] = []
    const items: number[] = []
    for (let i = 0; i < samples; i++) {
      const key = mintId(deps)
      entries.push(
        await witness.time(key, async () => void (await broker.log.append(key, [RECORD], { expect: 0 }))),
      )
      items.push(
        await witness.time(
          key,
          async () => void (await broker.queue.enqueue(WITNESS_QUEUE, { key }, { id: key })),
        ),
      )
    }
    yield spanRow('append to follower, other process', entries)
    yield spanRow('enqueue to claim, other process', items)

    const ours = await timeRow('request to reply, other process', samples, () => ask(broker, WITNESS_SUBJECT))
    if (floor?.request === undefined) yield ours
    else {
      const raw = await timeRow('', samples, floor.request)
      yield { ...ours, floor: { name: 'request of the raw client', value: raw.value } }
    }
  } finally {
    await witness.stop()
  }
}

async function ask(broker: Broker, subject: string): Promise<void> {
  const answer = await broker.bus.request(subject, { ask: 1 })
  if (answer.outcome !== 'reply') throw new Error(`A request was answered ${answer.outcome}.`)
}

/** Times `act` again and again, each time from rest; what `settle` does with its result is off the clock. */
async function timeRow<T>(
  workload: string,
  samples: number,
  act: () => Promise<T>,
  settle: (result: T) => Promise<void> = async () => {},
): Promise<Row> {
  const spans: number[] = []
  for (let i = 0; i < samples; i++) {
    await turn()
    const began = performance.now()
    const result = await act()
    spans.push(performance.now() - began)
    await settle(result)
  }
  return spanRow(workload, spans)
}

const spanRow = (workload: string, spans: readonly number[]): Row => ({
  workload,
  unit: 'ms',
  value: median(spans),
  p99: quantile(spans, 0.99),
})
