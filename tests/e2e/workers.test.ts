/**
 * Workers as real processes, with each kind of infrastructure on each kind of broker: the life of a run, its
 * cancellation from every state, and what becomes of it when its worker or its code is killed, frozen, or told to stop.
 */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest'
import type { RunRecord } from '../../src/actors/index.ts'
import { createPool, createQueue, type Deployment, type Draft } from '../../src/catalog/index.ts'
import { type ClusterView, clusterView } from '../support/cluster-view.ts'
import { startNats } from '../support/nats-server.ts'
import { type PoolWorker, startPoolWorker } from '../support/pool-workers.ts'
import { STEPS } from './fixtures/flows.ts'

const PATIENCE_MS = 180_000
const LEASE_MS = 3_000
const SUM = (STEPS * (STEPS - 1)) / 2

type Place = AsyncDisposable & { readonly url: string }

const BROKERS: Readonly<Record<string, () => Promise<Place>>> = {
  async embedded() {
    const folder = await mkdtemp(join(tmpdir(), 'callboard-workers-'))
    return {
      url: `embedded:${folder}`,
      [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
    }
  },
  NATS: () => startNats(),
}

/** What one test has: its view of the cluster, and a file that its flows write to. */
interface Stage extends AsyncDisposable, ClusterView {
  readonly pool: string
  readonly file: string
  did(): Promise<readonly string[]>
}

const isCompletion = (record: RunRecord) => record.k === 'task' && record.e.type === 'COMPLETE'
const isLoss = (record: RunRecord) => record.k === 'flow' && record.e.type === 'HOST_LOST'
const completions = (records: readonly RunRecord[]) => records.filter(isCompletion).length

function hostOf(records: readonly RunRecord[]): string {
  const claim = records.findLast((record) => record.k === 'flow' && record.e.type === 'CLAIM')
  return claim?.k === 'flow' && claim.e.type === 'CLAIM' ? claim.e.worker : ''
}

/** Dead, or dead and not buried yet. */
async function isDead(pid: string): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z ')
  return /\) [ZX] /.test(stat)
}

describe.each(Object.keys(BROKERS))('on %s', { timeout: PATIENCE_MS }, (broker) => {
  let place: Place
  beforeAll(async () => {
    place = await (BROKERS[broker] ?? startNats)()
  })
  afterAll(() => place[Symbol.asyncDispose]())

  describe.each(['inline', 'thread', 'process'] as const)('with code that runs by %s', (infrastructure) => {
    const canKill = infrastructure !== 'inline'
    let shared: readonly PoolWorker[] = []
    const started: PoolWorker[] = []

    async function worker(pool: string, name: string, spares = 0): Promise<PoolWorker> {
      const one = await startPoolWorker({
        ...{ brokerUrl: place.url, leaseMs: LEASE_MS, drainMs: 10_000, limit: 8, spares },
        ...{ infrastructure, pool, name },
      })
      started.push(one)
      return one
    }

    /** `its`: the test that it is of, of those that run at a time. */
    async function stage(
      its: Pick<TestContext, 'onTestFailed'>,
      pool: string = infrastructure,
    ): Promise<Stage> {
      const view = await clusterView(place.url)
      its.onTestFailed(() => {
        const said = started.flatMap(({ pid, lines }) => lines.slice(-20).map((line) => `${pid}: ${line}`))
        console.error([...view.told(), ...said].join('\n'))
      })
      const folder = await mkdtemp(join(tmpdir(), 'callboard-did-'))
      const file = join(folder, 'did')
      await writeFile(file, '')
      return {
        ...view,
        pool,
        file,
        deploy: (fields) => view.deploy({ pool, ...fields }),
        did: async () => (await readFile(file, 'utf8')).split('\n').filter((line) => line !== ''),
        async [Symbol.asyncDispose]() {
          await view[Symbol.asyncDispose]()
          await rm(folder, { recursive: true, force: true })
        },
      }
    }

    const FILE = join(import.meta.dirname, 'fixtures')
    const codeOf = (flow: string) => ({ flow, path: FILE, entrypoint: `flows.ts:${flow}` })

    /** Deploys a flow for this test, by the name of its pool, and starts it. */
    async function run(
      at: Stage,
      flow: string,
      parameters: object = {},
      fields: Partial<Draft<Deployment>> = {},
    ): Promise<string> {
      const name = fields.name ?? fields.pool ?? at.pool
      await at.deploy({ ...codeOf(flow), name, ...fields })
      return at.start(`${flow}/${name}`, { ...parameters, file: at.file })
    }

    describe('two workers', () => {
      beforeAll(async () => {
        await using at = await clusterView(place.url)
        await createPool(at.catalog, { name: infrastructure })
        await createQueue(at.catalog, { pool: infrastructure, name: 'unserved', paused: true })
        shared = await Promise.all(['ada', 'bob'].map((name) => worker(infrastructure, name, 1)))
      })
      afterAll(async () => {
        for (const each of shared) each.terminate()
        const codes = await Promise.all(shared.map(({ exited }) => exited))
        expect(codes).toEqual(shared.map(() => 0))
      })

      test('complete a run', async (its) => {
        await using at = await stage(its)
        const id = await run(at, 'add', { a: 20, b: 22 })
        expect(await at.end(id)).toMatchObject({ tag: 'COMPLETED.Completed', result: 42 })
      })

      test('tell why a run failed', async (its) => {
        await using at = await stage(its)
        const id = await run(at, 'failing')
        expect(await at.end(id)).toMatchObject({ tag: 'FAILED.Failed', message: 'bad weather' })
      })

      test('try tasks and flows again', async (its) => {
        await using at = await stage(its)
        const id = await run(at, 'retried', {}, { retries: 1 })
        expect(await at.end(id)).toMatchObject({ tag: 'COMPLETED.Completed', result: [2, 2] })
      })

      test('end a run that takes too long', async (its) => {
        await using at = await stage(its)
        const id = await run(at, 'slow', {}, { timeoutSeconds: 0.3 })
        expect(await at.end(id)).toMatchObject({ tag: 'FAILED.TimedOut' })
      })

      test.runIf(infrastructure === 'process')(
        'end by force what took too long and never yields',
        async (its) => {
          await using at = await stage(its)
          const fields = { timeoutSeconds: 3, retries: 1, graceSeconds: 0.3, name: 'late' }
          expect(await at.end(await run(at, 'stuck', {}, fields))).toMatchObject({ tag: 'FAILED.TimedOut' })
          const programs = await at.did()
          expect(programs.length).toBeGreaterThanOrEqual(1)
          for (const program of programs) while (!(await isDead(program)));
        },
      )

      test('keep the code of a run that is paused, and go on with it', async (its) => {
        await using at = await stage(its)
        const id = await run(at, 'pauses')
        await at.untilState(id, 'Paused')
        expect(await at.signal(id, 'resume')).toBe('applied')
        expect(await at.end(id)).toMatchObject({ tag: 'COMPLETED.Completed', result: true })
      })

      test('[prefect 46] cancel code that stops when it is asked, and run its hooks', async (its) => {
        await using at = await stage(its)
        const id = await run(at, 'polite')
        await at.until(id, (records) => completions(records) === 1)
        expect(await at.signal(id, 'cancel')).toBe('accepted')
        expect((await at.end(id)).tag).toBe('CANCELLED.Cancelled')
        expect((await at.did()).toSorted()).toEqual(['asked to stop', 'cleaned up'])
      })

      test.runIf(canKill)(
        '[prefect 47] cancel code that never yields, with the programs it started, and give its slot to the next',
        async (its) => {
          await using at = await stage(its)
          const fields = { graceSeconds: 0.5, limit: 1 }
          const id = await run(at, 'stuck', {}, fields)
          await at.until(id, (records) => completions(records) === 1)
          const next = await at.start(`stuck/${infrastructure}`, { file: at.file })
          await at.untilState(next, 'AwaitingConcurrencySlot')
          expect(await at.signal(id, 'cancel')).toBe('accepted')
          const { tag, records } = await at.end(id)
          expect(tag).toBe('CANCELLED.Cancelled')
          expect(records.at(-1)).not.toMatchObject({ e: { abandoned: true } })
          const [program = ''] = await at.did()
          if (infrastructure === 'process') expect(await isDead(program)).toBe(true)
          await at.until(next, (all) => completions(all) === 1)
          await at.signal(next, 'cancel')
          expect((await at.end(next)).tag).toBe('CANCELLED.Cancelled')
        },
      )

      test('[prefect 45] cancel a run that nobody has taken yet, at once', async (its) => {
        await using at = await stage(its)
        const id = await run(at, 'add', { a: 1, b: 1 }, { name: 'unserved', queue: 'unserved' })
        expect(await at.signal(id, 'cancel')).toBe('applied')
        expect((await at.end(id)).tag).toBe('CANCELLED.Cancelled')
      })

      test.for([
        ['Paused', 'pauses'],
        ['Suspended', 'suspends'],
      ] as const)('cancel a run that is %s, and take the same signal again', async ([name, flow], its) => {
        await using at = await stage(its)
        const id = await run(at, flow, {}, { graceSeconds: 0.5 })
        await at.untilState(id, name)
        const answer = await at.signal(id, 'cancel', 'once')
        expect(['accepted', 'applied']).toContain(answer) // its code may have left by now, or may not
        expect((await at.end(id)).tag).toBe('CANCELLED.Cancelled')
        expect(await at.signal(id, 'cancel', 'once')).toBe(answer)
      })

      test('cancel a run whose code is only just being started', async (its) => {
        await using at = await stage(its)
        const id = await run(at, 'slow', {}, { graceSeconds: 0.5 })
        await at.until(id, (records) => hostOf(records) !== '')
        await at.signal(id, 'cancel')
        expect((await at.end(id)).tag).toBe('CANCELLED.Cancelled')
      })

      test.runIf(infrastructure === 'process')(
        '[prefect 53] call a run Crashed whose process was killed, and say so',
        async (its) => {
          await using at = await stage(its)
          const id = await run(at, 'suicidal')
          const { tag, message } = await at.end(id)
          expect(tag).toBe('CRASHED.Crashed')
          expect(message).toContain('SIGKILL')
        },
      )
    })

    describe.concurrent('a run', () => {
      /** Two workers of a pool of its own, and a run that one of them has, a few steps done. */
      async function underWay(at: Stage, pool: string) {
        await createPool(at.catalog, { name: pool })
        const workers = await Promise.all([worker(pool, 'cleo'), worker(pool, 'dan')])
        const id = await run(at, 'steps')
        const records = await at.until(id, (all) => completions(all) >= 3)
        const host = workers.find((each) => each.id === hostOf(records))
        const other = workers.find((each) => each !== host)
        if (host === undefined || other === undefined)
          throw new Error(`Run ${id} is hosted by ${hostOf(records)}, who is none of ours.`)
        return {
          ...{ id, host, other },
          async [Symbol.asyncDispose]() {
            await Promise.all(workers.map((each) => each[Symbol.asyncDispose]()))
          },
        }
      }

      /** Every step's result is in the log once; a body ran again at most for each time that a host was lost. */
      async function expectWhole(at: Stage, id: string) {
        const { tag, result, records } = await at.end(id)
        expect([tag, result]).toEqual(['COMPLETED.Completed', SUM])
        expect(completions(records)).toBe(STEPS)
        const did = await at.did()
        expect(new Set(did).size).toBe(STEPS)
        expect(did.length).toBeLessThanOrEqual(STEPS + records.filter(isLoss).length)
        return records
      }

      test('[scenario 22] goes on elsewhere when its worker is killed', async (its) => {
        const pool = `${infrastructure}-kill`
        await using at = await stage(its, pool)
        await using going = await underWay(at, pool)
        going.host.kill()
        const records = await expectWhole(at, going.id)
        expect(records.some(isLoss)).toBe(true)
        expect(hostOf(records)).toBe(going.other.id)
      })

      test('[scenario 23] goes on elsewhere when its worker freezes; thawed, that one lets it be', async (its) => {
        const pool = `${infrastructure}-freeze`
        await using at = await stage(its, pool)
        await using going = await underWay(at, pool)
        going.host.freeze()
        await at.until(going.id, (all) => hostOf(all) === going.other.id)
        const { records } = await at.end(going.id)
        going.host.thaw()
        going.host.terminate()
        expect(await going.host.exited).toBe(0)
        expect((await at.end(going.id)).records).toEqual(records)
        await expectWhole(at, going.id)
      })

      test('[scenario 25] is handed over when its worker is told to stop', async (its) => {
        const pool = `${infrastructure}-drain`
        await using at = await stage(its, pool)
        await using going = await underWay(at, pool)
        going.host.terminate()
        expect(await going.host.exited).toBe(0)
        const records = await expectWhole(at, going.id)
        expect(hostOf(records)).toBe(going.other.id)
        expect(records.filter(isLoss)).toEqual([])
      })

      test('that is suspended is woken by another worker when its own has gone', async (its) => {
        const pool = `${infrastructure}-suspend`
        await using at = await stage(its, pool)
        await createPool(at.catalog, { name: pool })
        const id = await (async () => {
          await using first = await worker(pool, 'eve')
          const suspended = await run(at, 'suspends')
          await at.untilState(suspended, 'Suspended')
          first.terminate()
          expect(await first.exited).toBe(0)
          return suspended
        })()
        await using _second = await worker(pool, 'fay')
        expect(await at.signal(id, 'resume')).toBe('applied')
        expect(await at.end(id)).toMatchObject({ tag: 'COMPLETED.Completed', result: 'woken' })
        expect(await at.did()).toEqual(['before', 'after'])
      })

      test.runIf(canKill)('[prefect 50] is Cancelled also when its worker dies meanwhile', async (its) => {
        const pool = `${infrastructure}-cancel`
        await using at = await stage(its, pool)
        await createPool(at.catalog, { name: pool })
        await using first = await worker(pool, 'jo')
        await using second = await worker(pool, 'kim')
        const id = await run(at, 'stuck', {}, { graceSeconds: 60 })
        const records = await at.until(id, (all) => completions(all) === 1)
        const host = hostOf(records) === first.id ? first : second
        await at.signal(id, 'cancel')
        host.kill()
        expect((await at.end(id)).tag).toBe('CANCELLED.Cancelled')
        const [program = ''] = await at.did()
        if (infrastructure === 'process') while (!(await isDead(program))); // its guard sees to it
      })

      test.runIf(infrastructure === 'process')(
        'that kills its worker each time ends Crashed, and the others go on elsewhere',
        async (its) => {
          const pool = `${infrastructure}-deadly`
          await using at = await stage(its, pool)
          await createPool(at.catalog, { name: pool })
          await using workers = new AsyncDisposableStack()
          const crew = await Promise.all(['gus', 'hal', 'ida'].map((name) => worker(pool, name)))
          for (const each of crew) workers.use(each)
          const innocent = await run(at, 'steps')
          const deadly = await run(at, 'deadly', {}, { maxRecoveries: 1 })
          const { tag, message } = await at.end(deadly)
          expect(tag).toBe('CRASHED.Crashed')
          expect(message).not.toBe('')
          await expectWhole(at, innocent)
        },
      )
    })
  })
})
