/** Several processes at one place, and what is left when one of them is killed. */

import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BrokerOptions } from '../../broker/index.ts'
import type { JsonValue } from '../../core/index.ts'
import type { Order, Report } from './peer.ts'
import { idsOf } from './queue.ts'
import { assertDense, fill, readAll, type Stage } from './stage.ts'
import { cases } from './suite.ts'

interface Peer {
  readonly pid: number
  /** The revisions it was told are written. */
  readonly appended: readonly number[]
  tell(order: Order): Promise<JsonValue>
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

/** Starts another process at this place. It is killed when the case ends. */
async function peer(t: Stage, options: BrokerOptions = {}): Promise<Peer> {
  const url = t.place.url ?? assert.fail('this place has no url, so say so in `lacks`')
  const program = fileURLToPath(new URL(`./peer${extname(import.meta.url)}`, import.meta.url))
  const child = fork(program, [url, JSON.stringify(options)], { execArgv: [] })
  t.onEnd(() => endOf(child))
  const reports = t.gather<Report>('reports')
  child.on('message', (report: Report) => reports.add(report))
  await reports.until((all) => all.some((report) => report.is === 'ready'), 'another process to connect')
  let orders = 0
  return {
    pid: child.pid ?? assert.fail('the process has no id'),
    get appended() {
      return reports.items.flatMap((report) => (report.is === 'appended' ? [report.rev] : []))
    },
    async tell(order) {
      const number = orders++
      const mine = (all: readonly Report[]) =>
        all.find((report) => (report.is === 'done' || report.is === 'failed') && report.order === number)
      child.send(order)
      await reports.until((all) => mine(all) !== undefined, `another process to ${order.do}`)
      const report = mine(reports.items)
      if (report?.is !== 'done')
        assert.fail(`another process could not ${order.do}: ${JSON.stringify(report)}`)
      return report.value
    },
    kill: () => endOf(child),
  }
}

const SHORT: BrokerOptions = { claimTimeoutMs: 600 }

export const processCases = cases(
  'broker',
  {
    'writers in four processes on one subject land all their events': async (t) => {
      const broker = await t.connect()
      const subject = t.subject()
      const peers = await Promise.all([peer(t), peer(t), peer(t)])
      const tail = await t.tail(broker, 'start')
      await Promise.all([
        ...peers.map((each) => each.tell({ do: 'fill', subject, count: 20 })),
        (async () => {
          for (let landed = 0; landed < 20; ) {
            const expect = (await broker.log.last(subject))?.rev ?? 0
            const { outcome } = await broker.log.append(subject, [`"here/${landed}"`], { expect })
            if (outcome === 'appended') landed++
          }
        })(),
      ])
      await tail.count(80)
      assertDense(tail.items)
      assert.equal(new Set(tail.items.flatMap((entry) => entry.records)).size, 80)
      assert.deepEqual(tail.items, await readAll(broker, subject))
    },

    'what another process appends, enqueues or answers arrives here as it comes': async (t) => {
      const broker = await t.connect()
      const other = await peer(t)
      const subject = t.subject()
      const tail = await t.tail(broker, 'tail')
      await other.tell({ do: 'fill', subject, count: 5 })
      await tail.count(5)
      await other.tell({ do: 'answer', subject: 'host.other', value: 'from afar' })
      const reply = await t.eventually(async () => {
        const outcome = await broker.bus.request('host.other', 1)
        return outcome.outcome === 'reply' ? outcome.value : undefined
      }, 'the answer of another process')
      assert.equal(reply, 'from afar')
      await broker.queue.enqueue('q', 1, { id: 'for-it' })
      assert.deepEqual(await other.tell({ do: 'claim', queue: 'q', max: 1 }), ['for-it'])
    },

    'a claim that waits in another process gets what comes from here': async (t) => {
      const broker = await t.connect()
      const other = await peer(t)
      for (let round = 0; round < 3; round++) {
        const claiming = other.tell({ do: 'claim', queue: 'q', max: 1 })
        await broker.queue.enqueue('q', round, { id: `round-${round}` })
        assert.deepEqual(await claiming, [`round-${round}`])
      }
    },

    'what a killed process was told is written, is written, and nothing is half there': async (t) => {
      const broker = await t.connect()
      const other = await peer(t)
      const subject = t.subject()
      void other.tell({ do: 'fill', subject, count: 1_000_000 }).catch(() => {})
      await t.eventually(async () => other.appended.length > 50, 'fifty appends')
      await other.kill()
      const entries = await readAll(broker, subject)
      assertDense(entries)
      assert.ok(entries.length >= other.appended.length)
      await fill(broker, subject, 5, entries.length)
    },

    'what a killed process held comes to another': async (t) => {
      const broker = await t.connect(SHORT)
      const other = await peer(t, SHORT)
      await broker.queue.enqueue('q', 'x', { id: 'held' })
      assert.deepEqual(await other.tell({ do: 'claim', queue: 'q', max: 1 }), ['held'])
      await other.kill()
      const again = await t.within(broker.queue.claim(['q'], 1, new AbortController().signal), 'the item')
      assert.deepEqual(idsOf(again), ['held'])
      assert.ok((again[0]?.delivery ?? 0) >= 2)
    },

    'a killed process is not home any more': async (t) => {
      const broker = await t.connect()
      const other = await peer(t)
      await other.tell({ do: 'answer', subject: 'host.other', value: 'home' })
      await t.eventually(
        async () => (await broker.bus.request('host.other', 1)).outcome === 'reply',
        'an answer',
      )
      await other.kill()
      await t.eventually(async () => {
        const { outcome } = await broker.bus.request('host.other', 1, { timeoutMs: 200 })
        assert.notEqual(outcome, 'reply')
        return outcome === 'nobody-home'
      }, 'word that nobody is home')
    },

    'the lease of a killed process expires': async (t) => {
      const broker = await t.connect()
      const other = await peer(t)
      const ttlMs = 1_500
      const first = Number(await other.tell({ do: 'create', bucket: 'leases', ttlMs, key: 'l' }))
      const bucket = await broker.kv.bucket('leases', { ttlMs })
      await other.kill()
      const second = await t.eventually(() => bucket.create('l', 'mine'), 'the lease to expire')
      assert.ok(second > first)
    },
  },
  ['processes'],
)
