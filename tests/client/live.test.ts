/** The live half of the client against a stand-in that a test can cut, on a virtual clock. */

import { describe, expect, test } from 'vitest'
import { createClient, type GatewayClient, type GatewayError, type LiveItem } from '../../src/client/index.ts'
import { RUN, type StandIn, standIn } from './support/stand-in.ts'

const clientOf = (gateway: StandIn, token?: string): GatewayClient =>
  createClient({ platform: gateway.platform, ...(token === undefined ? {} : { token }) })

async function all(items: AsyncIterable<LiveItem>): Promise<LiveItem[]> {
  const found: LiveItem[] = []
  for await (const item of items) found.push(item)
  return found
}

const messages = (items: readonly LiveItem[]) =>
  items.flatMap((item) => (item.kind === 'log' ? [item.data.message] : []))

const ops = ({ now }: StandIn) => now.received.map(({ op }) => op)

describe('watching a run', () => {
  test('gives what it is, then what happens, until it ends', async () => {
    const gateway = standIn()
    gateway.line('before')
    const watched = all(clientOf(gateway).flowRuns.watch(RUN, { after: 'start' }))
    await gateway.clock.settle()
    gateway.line('after')
    gateway.finish()
    const items = await gateway.clock.drive(watched)
    expect(items.map(({ kind }) => kind)).toEqual(['snapshot', 'log', 'log'])
    expect(messages(items)).toEqual(['before', 'after'])
  })

  test('shows its token first, when it has one', async () => {
    const gateway = standIn()
    gateway.finish()
    await gateway.clock.drive(all(clientOf(gateway, 'cb_secret').flowRuns.watch(RUN)))
    expect(gateway.now.received[0]).toEqual({ op: 'auth', token: 'cb_secret' })
  })

  test('gives each line exactly once, in order, however often the connection is cut', async () => {
    for (const cutAfter of [1, 2, 3, 7, 50]) {
      const gateway = standIn()
      const lines = Array.from({ length: 200 }, (_, index) => `line ${index}`)
      for (const line of lines) gateway.line(line)
      gateway.finish()
      gateway.cutAfter = cutAfter
      const items = await gateway.clock.drive(all(clientOf(gateway).flowRuns.watch(RUN, { after: 'start' })))
      expect(messages(items)).toEqual(lines)
      expect(items.filter(({ kind }) => kind === 'snapshot')).toHaveLength(1)
      expect(gateway.connections.length).toBeGreaterThanOrEqual(200 / cutAfter)
    }
  })

  test('ends the connection with the last reader, also with one that leaves early', async () => {
    const gateway = standIn()
    gateway.line('one')
    const leaving = (async () => {
      for await (const item of clientOf(gateway).flowRuns.watch(RUN, { after: 'start' }))
        if (item.kind === 'log') break
    })()
    await gateway.clock.drive(leaving)
    await gateway.clock.advance(0)
    expect(gateway.now.isOpen).toBe(false)
    expect(gateway.clock.armed).toBe(0)
  })

  test('says what could not be given, with what holds after it', async () => {
    const gateway = standIn()
    const watched = all(clientOf(gateway).flowRuns.watch(RUN))
    await gateway.clock.advance(0)
    const sub = gateway.now.subscribed?.sub ?? 0
    gateway.now.say({ op: 'gap', sub, from: '0', to: '40', reason: 'slow-client' })
    await gateway.clock.advance(0)
    gateway.now.end(1006)
    gateway.finish()
    const items = await gateway.clock.drive(watched)
    expect(items[1]).toEqual({ kind: 'gap', from: '0', to: '40', reason: 'slow-client' })
    expect(gateway.now.received).toContainEqual(expect.objectContaining({ op: 'subscribe', after: '40' }))
  })

  test('rests when it is read too slowly, and goes on once that is read', async () => {
    const gateway = standIn()
    const reader = clientOf(gateway).flowRuns.watch(RUN, { after: 'start' })
    await gateway.clock.advance(0)
    const lines = Array.from({ length: 12_000 }, (_, index) => `line ${index}`)
    for (const line of lines) gateway.line(line)
    gateway.finish()
    await gateway.clock.advance(1_000)
    expect(reader.waiting).toBeLessThan(6_000)
    expect(ops(gateway)).toContain('unsubscribe')
    expect(messages(await gateway.clock.drive(all(reader)))).toEqual(lines)
  })
})

describe('a subscription that the gateway cannot begin yet', () => {
  test('is asked for again after longer and longer waits until it begins, and its reader sees none of that', async () => {
    const gateway = standIn()
    gateway.early = 5
    const waits: number[] = []
    const onWait = (why: GatewayError, ms: number) => {
      expect([why.code, why.isRetryable]).toEqual(['CB_E_BUSY', true])
      waits.push(ms)
    }
    const watched = all(clientOf(gateway).flowRuns.watch(RUN, { after: 'start', onWait }))
    gateway.line('one')
    gateway.finish()
    const before = gateway.clock.monotonic()
    const items = await gateway.clock.drive(watched)
    expect(items.map(({ kind }) => kind)).toEqual(['snapshot', 'log'])
    expect(ops(gateway)).toEqual(Array.from({ length: 6 }, () => 'subscribe'))
    for (const [n, ms] of waits.entries()) expect(ms).toBeGreaterThanOrEqual(125 * 2 ** n)
    expect(waits).toHaveLength(5)
    expect(gateway.clock.monotonic() - before).toBeGreaterThanOrEqual(waits.reduce((sum, ms) => sum + ms, 0))
    expect(gateway.clock.armed).toBe(0)
  })

  test('is asked for once on a new connection, whatever was to come on the one before', async () => {
    const gateway = standIn()
    gateway.early = 1
    const watched = all(clientOf(gateway).flowRuns.watch(RUN, { after: 'start' }))
    await gateway.clock.advance(0)
    gateway.now.end(1012)
    await gateway.clock.advance(0)
    await gateway.clock.advance(60_000)
    expect(ops(gateway).filter((op) => op === 'subscribe')).toEqual(['subscribe'])
    gateway.finish()
    await gateway.clock.drive(watched)
  })

  test('is not asked for any more once it is left', async () => {
    const gateway = standIn()
    gateway.early = Number.POSITIVE_INFINITY
    const reader = clientOf(gateway).flowRuns.watch(RUN)
    const watched = all(reader)
    await gateway.clock.advance(3_000)
    const asked = ops(gateway).length
    expect(asked).toBeGreaterThan(2)
    await reader.return()
    expect(await gateway.clock.drive(watched)).toEqual([])
    await gateway.clock.runUntilIdle()
    expect(ops(gateway)).toHaveLength(asked)
    expect(gateway.clock.armed).toBe(0)
  })
})

describe('a connection', () => {
  test.each([4401, 4403])('that is refused with %i is not tried again, and all are told', async (code) => {
    const gateway = standIn()
    gateway.answers = { code }
    const client = clientOf(gateway)
    const watched = all(client.flowRuns.watch(RUN))
    const asked = client.live.signal(RUN, 'pause')
    const told = Promise.allSettled([watched, asked])
    const refused = { status: 'rejected', reason: expect.objectContaining({ code: 'REFUSED' }) }
    expect(await gateway.clock.drive(told)).toEqual([refused, refused])
    await gateway.clock.runUntilIdle()
    expect(gateway.connections).toHaveLength(1)
  })

  test('that a restarting gateway ends is opened again at once', async () => {
    const gateway = standIn()
    void clientOf(gateway).flowRuns.watch(RUN)
    await gateway.clock.advance(0)
    gateway.now.end(1012)
    await gateway.clock.advance(0)
    expect(gateway.connections).toHaveLength(2)
    expect(ops(gateway)).toEqual(['subscribe'])
  })

  test('that cannot be made is tried again after longer and longer waits, never all at the same time', async () => {
    const gateway = standIn()
    gateway.answers = { code: 1006 }
    void clientOf(gateway).flowRuns.watch(RUN)
    const tries = [gateway.clock.monotonic()]
    while (tries.length < 10) {
      const before = gateway.connections.length
      while (gateway.connections.length === before) await gateway.clock.step()
      tries.push(gateway.clock.monotonic())
    }
    const waits = tries.slice(1).map((at, index) => at - (tries[index] ?? 0))
    for (const [index, wait] of waits.entries()) {
      const due = Math.min(15_000, 250 * 2 ** index)
      expect(wait).toBeGreaterThanOrEqual(due / 2)
      expect(wait).toBeLessThanOrEqual(due)
    }
    expect(new Set(waits.map((wait, index) => wait / 2 ** index)).size).toBe(waits.length)
  })

  test('whose gateway says nothing at all is given up and tried again', async () => {
    const gateway = standIn()
    gateway.answers = 'silence'
    void clientOf(gateway).flowRuns.watch(RUN)
    await gateway.clock.advance(11_000)
    expect(gateway.connections.length).toBeGreaterThan(1)
    expect(gateway.connections[0]?.isOpen).toBe(false)
  })

  test('that has fallen silent is asked, and taken for broken when it stays so', async () => {
    const gateway = standIn()
    void clientOf(gateway).flowRuns.watch(RUN)
    await gateway.clock.advance(31_000)
    expect(ops(gateway)).toContain('ping')
    expect(gateway.connections).toHaveLength(1)
    await gateway.clock.advance(16_000)
    expect(gateway.connections).toHaveLength(2)
  })

  test('that answers its pings is kept', async () => {
    const gateway = standIn()
    gateway.replies = (frame) => (frame.op === 'ping' ? { op: 'pong', id: frame.id } : undefined)
    void clientOf(gateway).flowRuns.watch(RUN)
    await gateway.clock.advance(600_000)
    expect(gateway.connections).toHaveLength(1)
  })

  test('of a page that stays hidden is let go, and made again where it was when the page is shown', async () => {
    const gateway = standIn()
    const reader = clientOf(gateway).flowRuns.watch(RUN, { after: 'start' })
    const watched = all(reader)
    gateway.line('one')
    await gateway.clock.advance(0)
    gateway.hide(true)
    await gateway.clock.advance(29_000)
    expect(gateway.now.isOpen).toBe(true)
    await gateway.clock.advance(2_000)
    expect(gateway.now.isOpen).toBe(false)
    gateway.line('two')
    await gateway.clock.advance(60_000)
    expect(gateway.connections).toHaveLength(1)
    gateway.hide(false)
    gateway.finish()
    expect(messages(await gateway.clock.drive(watched))).toEqual(['one', 'two'])
  })

  test('of a page that is hidden for a moment is kept', async () => {
    const gateway = standIn()
    gateway.replies = (frame) => (frame.op === 'ping' ? { op: 'pong', id: frame.id } : undefined)
    void clientOf(gateway).flowRuns.watch(RUN)
    await gateway.clock.advance(0)
    gateway.hide(true)
    await gateway.clock.advance(10_000)
    gateway.hide(false)
    await gateway.clock.advance(60_000)
    expect(gateway.connections).toHaveLength(1)
    expect(gateway.now.isOpen).toBe(true)
  })
})

describe('a request over the live connection', () => {
  test('is asked again under its key when the connection broke before the answer', async () => {
    const gateway = standIn()
    const asked = clientOf(gateway).live.signal(RUN, 'resume', { payload: { approved: true } })
    await gateway.clock.advance(0)
    const [first] = gateway.now.received
    gateway.now.end(1006)
    gateway.replies = (frame) =>
      frame.op === 'signal' ? { op: 'reply', id: frame.id, ok: true, outcome: 'applied' } : undefined
    expect(await gateway.clock.drive(asked)).toMatchObject({ outcome: 'applied' })
    const [second] = gateway.now.received
    expect(second).toMatchObject({ op: 'signal', signal: 'resume', payload: { approved: true } })
    expect(first).toMatchObject({ key: expect.stringMatching(/^[0-9a-f]{32}$/) })
    expect(second).toMatchObject({ key: first?.op === 'signal' ? first.key : '' })
  })

  test('that the gateway refuses says why, and what could be said instead', async () => {
    const gateway = standIn()
    gateway.replies = (frame) => ({
      op: 'reply',
      id: 'id' in frame ? frame.id : 0,
      ok: false,
      error: { code: 'CB_E_SIGNAL_REJECTED', message: 'It is over.', legalSignals: ['retry'] },
    })
    const asked = clientOf(gateway).live.signal(RUN, 'pause')
    asked.catch(() => {})
    await gateway.clock.advance(0)
    await expect(asked).rejects.toMatchObject({
      message: 'It is over.',
      code: 'CB_E_SIGNAL_REJECTED',
      legalSignals: ['retry'],
    })
  })

  test('to a client that was closed fails, as do those that wait for an answer', async () => {
    const gateway = standIn()
    const client = clientOf(gateway)
    const waiting = client.live.start({ flow: 'weather' })
    client.close()
    await expect(waiting).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(client.live.signal(RUN, 'pause')).rejects.toMatchObject({ code: 'CLOSED' })
    expect(gateway.clock.armed).toBeLessThanOrEqual(1)
  })
})
