import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  encodeEntry,
  type Judge,
  judgeFlow,
  judgeTask,
  judgeTaskCall,
  openRun,
  RECORD_VERSION,
  RunLog,
  type RunState,
} from '../../src/actors/index.ts'
import type { JsonValue, Logger } from '../../src/core/index.ts'
import { type HostStage, makeHostStage } from './support/host-stage.ts'

let stage: HostStage
let run: string
beforeEach(async () => {
  stage = await makeHostStage()
  run = await stage.create()
})
afterEach(() => stage.close())

const open = async (): Promise<RunState | undefined> =>
  stage.drive(openRun(stage.home.broker, stage.home.deps, run))

const opened = async (): Promise<RunState> => {
  const state = await open()
  if (state === undefined) throw new Error('The run is not there.')
  return state
}

const note: Judge = () => ({
  is: 'write',
  answer: 'applied',
  records: [{ k: 'note', at: 0, kind: 'n', data: {} }],
})

/** Adds entries of 500 records each. */
async function grow(entries: number): Promise<RunLog> {
  const log = new RunLog(stage.home.broker, stage.home.deps, await opened())
  for (let entry = 0; entry < entries; entry++)
    await stage.drive(Promise.all(Array.from({ length: 500 }, () => log.propose(note))))
  await stage.drive(log.close())
  return log
}

const snapshotKeys = async (): Promise<string[]> => {
  const records = await stage.recordsOf(run)
  return records.flatMap((record) => (record.k === 'snapshot' ? [record.object] : []))
}

const exists = async (key: string): Promise<boolean> =>
  (await stage.drive(stage.home.broker.objects.get(key))) !== undefined

/** What a machine logs while it opens the run. */
async function openLogging(): Promise<{ state: RunState | undefined; warnings: string[]; reads: number[] }> {
  const warnings: string[] = []
  const reads: number[] = []
  const { broker, deps } = stage.home
  const logger: Logger = {
    ...deps.logger,
    warn: (_facts, message) => warnings.push(message),
    child: () => logger,
  }
  const log = {
    ...broker.log,
    last: broker.log.last.bind(broker.log),
    read: (subject: string, options: { from?: number } = {}) => {
      reads.push(options.from ?? 1)
      return broker.log.read(subject, options)
    },
  }
  const state = await stage.drive(openRun({ log, objects: broker.objects }, { logger }, run))
  return { state, warnings, reads }
}

describe('opening a run', () => {
  it('that nobody has heard of gives nothing', async () => {
    expect(await stage.drive(openRun(stage.home.broker, stage.home.deps, 'nobody'))).toBeUndefined()
  })

  it('that is fresh reads its last entry and nothing else', async () => {
    const { state, reads } = await openLogging()
    expect(state?.flow.tag).toBe('SCHEDULED.Scheduled')
    expect(reads).toEqual([])
  })

  it('that is long reads from its newest snapshot on', async () => {
    await grow(30)
    const { state, reads, warnings } = await openLogging()
    expect(state?.rev).toBe(await stage.entriesOf(run))
    expect(warnings).toEqual([])
    expect(reads).toHaveLength(1)
    expect(reads[0]).toBeGreaterThan(20)
  })

  it('gives the same state with a snapshot as without', async () => {
    const log = new RunLog(stage.home.broker, stage.home.deps, await opened())
    await stage.signal(run, 'hello', { payload: { v: 'kept' } })
    const at = stage.clock.now()
    const all = [
      log.propose(judgeFlow({ type: 'CLAIM', at, worker: 'w' })),
      log.propose(judgeFlow({ type: 'START', at })),
    ]
    for (let i = 0; i < 1_500; i++) {
      const id = `t-${i}`
      const policy = { retries: 1, timeoutMs: null }
      all.push(log.propose(judgeTaskCall({ id, task: 't', policy }, at)))
      all.push(log.propose(judgeTask(id, { type: 'START', at })))
      all.push(log.propose(judgeTask(id, { type: 'COMPLETE', at, result: { v: i } })))
    }
    await stage.drive(Promise.all(all))
    await stage.drive(log.close())
    const keys = await snapshotKeys()
    expect(keys).toHaveLength(1)
    const withSnapshot = await opened()
    for (const key of keys) await stage.drive(stage.home.broker.objects.delete(key))
    const without = await openLogging()
    expect(without.warnings).toHaveLength(1)
    expect({ ...without.state, sinceSnapshot: 0 }).toEqual({ ...withSnapshot, sinceSnapshot: 0 })
  })

  it('whose snapshot is damaged says so and reads the whole log', async () => {
    await grow(10)
    const [key] = (await snapshotKeys()).slice(-1)
    for (const damage of ['{', '{"id":"another"}', '[]']) {
      await stage.drive(stage.home.broker.objects.put(key ?? '', Buffer.from(damage)))
      const { state, warnings, reads } = await openLogging()
      expect(state?.rev).toBe(await stage.entriesOf(run))
      expect(warnings).toEqual([expect.stringContaining('its whole log is read instead')])
      expect(reads).toEqual([1])
    }
  })

  it('whose log another version wrote, or nobody of ours, is an error that leaves it alone', async () => {
    const { log } = stage.home.broker
    const write = async (records: readonly JsonValue[]) => {
      const last = await stage.drive(log.last(run))
      await stage.drive(
        log.append(
          run,
          records.map((record) => JSON.stringify(record)),
          { expect: last?.rev ?? 0 },
        ),
      )
    }
    await write([{ k: 'head', v: RECORD_VERSION + 1, snap: 0 }])
    await expect(open()).rejects.toMatchObject({ code: 'CB_E_STORE_TOO_NEW' })
    const before = await stage.entriesOf(await stage.create())
    expect(before).toBe(1)
    run = await stage.create()
    await write(['not a record'])
    await expect(open()).rejects.toMatchObject({ code: 'CB_E_STORE_DAMAGED' })
    await expect(stage.signal(run, 'cancel')).rejects.toMatchObject({ code: 'CB_E_STORE_DAMAGED' })
    expect((await stage.drive(log.last(run)))?.rev).toBe(2)
  })

  it('whose first entries are gone is an error, not half a run', async () => {
    run = 'truncated'
    const texts = encodeEntry({ k: 'head', v: RECORD_VERSION, snap: 0 }, [
      { k: 'note', at: 0, kind: 'n', data: {} },
    ])
    await stage.drive(stage.home.broker.log.append(run, texts, { expect: 0 }))
    await expect(open()).rejects.toMatchObject({ code: 'CB_E_STORE_DAMAGED' })
  })
})

describe('snapshots', () => {
  it('are few, and each one takes the place of the one before', async () => {
    await grow(30)
    const keys = await snapshotKeys()
    expect(keys.length).toBeGreaterThan(3)
    expect(keys.length).toBeLessThan(9)
    for (const key of keys.slice(0, -1)) expect(await exists(key)).toBe(false)
    expect(await exists(keys.at(-1) ?? '')).toBe(true)
  })

  it('that cannot be written are done without, and tried again', async () => {
    const machine = await stage.machine('full', {
      plan: { rules: [{ operation: 'objects.put', fault: 'lose-before', nth: 1 }] },
    })
    const log = new RunLog(machine.broker, machine.deps, await opened())
    for (let entry = 0; entry < 6; entry++)
      await stage.drive(Promise.all(Array.from({ length: 500 }, () => log.propose(note))))
    await stage.clock.advance(10_000)
    expect(await snapshotKeys()).toHaveLength(0)
    await stage.drive(log.propose(note))
    await stage.drive(log.close())
    expect(machine.broker.faults).toHaveLength(1)
    expect(await snapshotKeys()).toHaveLength(1)
    expect((await opened()).rev).toBe(await stage.entriesOf(run))
  })

  it('of an entry that was not written leave nothing behind', async () => {
    const log = new RunLog(stage.home.broker, stage.home.deps, await opened())
    await stage.drive(Promise.all(Array.from({ length: 1_900 }, () => log.propose(note))))
    await stage.signal(run, 'hello')
    // This entry makes a snapshot due, and meets a conflict.
    await stage.drive(Promise.all(Array.from({ length: 200 }, () => log.propose(note))))
    await stage.drive(log.close())
    const keys = await snapshotKeys()
    for (let rev = 1; rev <= (await stage.entriesOf(run)); rev++) {
      const key = `snapshots.${run}.${rev}`
      expect([key, await exists(key)]).toEqual([key, keys.includes(key)])
    }
  })
})
