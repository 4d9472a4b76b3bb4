/** The client against a real gateway: over a network that breaks, with keys, and what it has in the end. */

import { describe, expect, test } from 'vitest'
import type { Program } from '../../src/actors/index.ts'
import { createClient, type GatewayError, type LiveItem, RunFold } from '../../src/client/index.ts'
import { sleep, systemClock } from '../../src/core/index.ts'
import { openStage, type Stage } from '../gateway/live/support/stage.ts'
import { startGateway, type TestGatewayOptions } from '../gateway/support/gateway.ts'
import { READ_AT_ONCE, readSlowly } from '../gateway/support/slow-reading.ts'
import { type CutableProxy, startProxy } from '../support/proxy.ts'

const TASKS = 2_000
const LINES_PER_TASK = 10
/** Called at a time. */
const BATCH = 50
/** What there is to do for a batch takes so long. */
const WORK_MS = 50
/** A connection is cut a moment after it has brought more than its beginning: on a busy machine that takes its time. */
const CUT_AFTER_PARTS = 8
const CUT_AFTER_MS = 20

/** Two thousand task runs that say ten lines each. */
const busy: Program = async (session) => {
  for (let first = 0; first < TASKS; first += BATCH) {
    await sleep(systemClock, WORK_MS)
    await Promise.all(
      Array.from({ length: BATCH }, (_, offset) =>
        session.task({ task: 'work' }, async () => {
          const lines = Array.from({ length: LINES_PER_TASK }, (_, line) => ({
            at: 5,
            level: 'info',
            message: `line ${(first + offset) * LINES_PER_TASK + line}`,
          }))
          await session.note('log', { lines })
          return first + offset
        }),
      ),
    )
  }
  return TASKS
}

const asking: Program = async (session) => {
  const { payload } = (await session.waitForSignal('answer', { timeoutMs: null })) as {
    readonly payload: unknown
  }
  return payload
}

const portOf = (url: string) => Number(new URL(url).port)

/** Cuts each connection once it has brought something, until it is stopped. */
function cutAgainAndAgain(proxy: CutableProxy) {
  const cutting = { cuts: 0, stop: () => {} }
  let isOver = false
  const cut = () => {
    cutting.cuts++
    proxy.cut()
    proxy.restore()
    void next()
  }
  const next = async () => {
    for (let part = 0; part < CUT_AFTER_PARTS; part++) await proxy.passes('to-client')
    if (isOver) return
    const timer = systemClock.setTimer(CUT_AFTER_MS, cut)
    cutting.stop = () => {
      isOver = true
      timer.cancel()
    }
  }
  void next()
  return cutting
}

describe('following a run through a gateway', { timeout: 60_000 }, () => {
  test('gives each line once and ends with what the gateway says, however often the network breaks', async () => {
    await using stage = await openStage()
    await using gateway = await startGateway({ broker: stage.broker })
    await using proxy = await startProxy(() => portOf(gateway.url))
    const client = createClient({ url: `http://127.0.0.1:${proxy.port}` })
    const run = await stage.play(busy)
    const fold = new RunFold({ lines: TASKS * LINES_PER_TASK })
    const lines: string[] = []
    let snapshots = 0
    const cutting = cutAgainAndAgain(proxy)
    for await (const item of client.flowRuns.watch(run, { after: 'start' })) {
      fold.apply(item)
      if (item.kind === 'log') lines.push(item.data.message)
      if (item.kind === 'snapshot') snapshots++
    }
    cutting.stop()
    client.close()
    expect(cutting.cuts).toBeGreaterThan(3)
    expect(lines).toHaveLength(TASKS * LINES_PER_TASK)
    expect(new Set(lines).size).toBe(lines.length)
    expect(snapshots).toBe(1)
    const { run: shown } = fold
    const said = await gateway.get<{ readonly state: object; readonly taskRuns: object }>(
      `/api/v1/flow-runs/${run}`,
    )
    expect(shown?.state).toEqual(said.state)
    expect(shown?.taskRuns).toEqual(said.taskRuns)
    expect(fold.taskRuns.every(({ state, runCount }) => state.type === 'COMPLETED' && runCount === 1)).toBe(
      true,
    )
  })

  test('of a run that is over gives all of it, and a store of it ends', async () => {
    await using stage = await openStage()
    await using gateway = await startGateway({ broker: stage.broker })
    const client = createClient({ url: gateway.url })
    const run = await stage.play(async () => 'done')
    for await (const _ of client.flowRuns.watch(run));
    const store = client.flowRuns.store(run, { everyMs: 0 })
    await new Promise<void>((resolve) => {
      const leave = store.subscribe(() => {
        if (store.getSnapshot().status !== 'ended') return
        leave()
        resolve()
      })
    })
    expect(store.getSnapshot()).toMatchObject({
      run: { state: { type: 'COMPLETED', data: 'done' } },
      gaps: 0,
    })
    client.close()
  })

  test('says that there is no such run', async () => {
    await using stage = await openStage()
    await using gateway = await startGateway({ broker: stage.broker })
    const client = createClient({ url: gateway.url })
    await expect(client.flowRuns.watch('01nobody').next()).rejects.toMatchObject({ code: 'CB_E_RUN_MISSING' })
    client.close()
  })
})

describe('a gateway that is still reading the log', { timeout: 60_000 }, () => {
  /** A run that the gateway comes to last, and a gateway that does not come to it before `readOn`. */
  async function openEarly(stage: Stage, options: TestGatewayOptions = {}) {
    for (let n = 0; n < READ_AT_ONCE; n++) await stage.create()
    const run = await stage.create({ flow: 'late' })
    const { slow, readOn } = readSlowly(stage.broker)
    const gateway = await startGateway({ broker: slow, live: { pictureWithinMs: 1 }, ...options })
    return { gateway, readOn, run }
  }

  test('has its followers wait until it has come to their run; none of them sees an error', async () => {
    await using stage = await openStage()
    const { gateway, readOn, run } = await openEarly(stage)
    await using _ = gateway
    const client = createClient({ url: gateway.url })
    const waits: GatewayError[] = []
    const second = Promise.withResolvers<void>()
    const onWait = (why: GatewayError) => {
      if (waits.push(why) === 2) second.resolve()
    }
    const items = client.flowRuns.watch(run, { onWait })
    const first = items.next()
    await second.promise
    readOn()
    expect((await first).value).toMatchObject({ kind: 'snapshot', snapshot: { run: { flow: 'late' } } })
    await stage.signal(run, 'cancel')
    const states: string[] = []
    for await (const item of items) if (item.kind === 'state') states.push(item.data.state.name)
    expect(states).toEqual(['Cancelled'])
    expect(waits.map(({ code }) => code)).toEqual(waits.map(() => 'CB_E_BUSY'))
    client.close()
  })

  test('does not refuse a key that is bound to a flow before it knows of which flow the run is', async () => {
    await using stage = await openStage()
    await using open = await startGateway({ broker: stage.broker })
    const bound = { name: 'late', scopes: ['read' as const], only: { flow: 'late' } }
    const { key } = await createClient({ url: open.url }).apiKeys.create(bound)
    const { gateway, readOn, run } = await openEarly(stage, { access: 'keys' })
    await using _ = gateway
    const client = createClient({ url: gateway.url, token: key })
    const items = client.flowRuns.watch(run, { after: 'start', onWait: readOn })
    expect((await items.next()).value).toMatchObject({ kind: 'snapshot' })
    expect((await items.next()).value).toMatchObject({ kind: 'state', data: { created: { flow: 'late' } } })
    await expect(client.flowRuns.watch('01nobody').next()).rejects.toMatchObject({ code: 'CB_E_RUN_MISSING' })
    client.close()
  })
})

describe('a signal over the live connection', { timeout: 60_000 }, () => {
  test('reaches the run once, also when the network broke around it', async () => {
    await using stage = await openStage()
    await using gateway = await startGateway({ broker: stage.broker })
    await using proxy = await startProxy(() => portOf(gateway.url))
    const client = createClient({ url: `http://127.0.0.1:${proxy.port}` })
    const run = await stage.play(asking)
    const items: LiveItem[] = []
    for await (const item of client.flowRuns.watch(run, { after: 'start' })) {
      items.push(item)
      if (item.kind !== 'state' || item.data.state.type !== 'RUNNING') continue
      // What is asked now gets through, and its answer does not.
      proxy.stall('to-client')
      const asked = client.live.signal(run, 'answer', { payload: 42 })
      await proxy.passes('to-client')
      proxy.cut()
      proxy.restore()
      expect(await asked).toMatchObject({ ok: true })
      break
    }
    for await (const _ of client.flowRuns.watch(run));
    const { state } = await client.flowRuns.get(run)
    expect(state).toMatchObject({ type: 'COMPLETED', data: 42 })
    client.close()
  })
})

describe('a key', { timeout: 60_000 }, () => {
  test('is shown on both sides, and one that nobody knows is refused for good', async () => {
    await using stage = await openStage()
    await using open = await startGateway({ broker: stage.broker })
    const { key } = await createClient({ url: open.url }).apiKeys.create({ name: 'ci', scopes: ['read'] })
    await using closed = await startGateway({ broker: stage.broker, access: 'keys' })
    const run = await stage.play(async () => 'done')
    const known = createClient({ url: closed.url, token: async () => key })
    const states: string[] = []
    for await (const item of known.flowRuns.watch(run, { after: 'start' }))
      if (item.kind === 'state') states.push(item.data.state.type)
    expect(states.at(-1)).toBe('COMPLETED')
    expect((await known.flowRuns.get(run)).id).toBe(run)
    await expect(known.flowRuns.cancel(run)).rejects.toMatchObject({ status: 403 })
    const stranger = createClient({ url: closed.url, token: 'cb_made_up' })
    await expect(stranger.flowRuns.get(run)).rejects.toMatchObject({ status: 401 })
    await expect(stranger.flowRuns.watch(run).next()).rejects.toMatchObject({ code: 'REFUSED', status: 401 })
    for (const client of [known, stranger]) client.close()
  })
})
