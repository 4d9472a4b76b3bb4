/** The read model as a store: what survives what, and when it is made anew. */

import { copyFileSync, mkdirSync } from 'node:fs'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ReadModel } from '../../src/gateway/read-model/index.ts'
import { AT, modelOf, openModel, runId, TestLog } from './support/log.ts'

const RUN = runId(1)
let folder: string
const open: ReadModel[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callboard-read-model-'))
})
afterEach(async () => {
  for (const model of open.splice(0)) model.close()
  await rm(folder, { recursive: true, force: true })
})

function opened(broker?: string): ReadModel {
  const model = openModel(folder, broker)
  open.push(model)
  return model
}

function close(model: ReadModel): void {
  model.close()
}

describe('a read model in a folder', () => {
  test('goes on where it was, with all that it had', () => {
    const log = new TestLog()
    log.create(RUN)
    log.start(RUN)
    const before = opened()
    before.apply(log.entries)
    close(before)
    const after = opened()
    expect(after.cursor).toBe('2')
    expect(after.runs.get(RUN)?.state.name).toBe('Running')
    after.apply([log.complete(RUN)])
    expect(after.runs.get(RUN)?.state.name).toBe('Completed')
  })

  test('has nothing of a batch that it could not take to its end', () => {
    const log = new TestLog()
    const model = opened()
    const entry = log.create(RUN)
    const broken = { ...log.create(runId(2)), subject: Symbol('no text') as never }
    expect(() => model.apply([entry, broken])).toThrow()
    expect(model.runs.get(RUN)).toBeUndefined()
    expect(model.cursor).toBeUndefined()
    model.apply([entry])
    expect(() => model.apply([log.start(RUN), broken])).toThrow()
    expect([model.runs.get(RUN)?.state.name, model.cursor]).toEqual(['Scheduled', entry.cursor])
  })

  test('is as of its last commit, rows and place, for whoever finds it after a crash', () => {
    const log = new TestLog()
    const model = opened()
    const created = log.create(RUN)
    model.apply([created])
    model.commit()
    model.apply([log.start(RUN)])
    expect(model.runs.get(RUN)?.state.name).toBe('Running')
    const crashed = join(folder, 'crashed')
    mkdirSync(crashed)
    for (const suffix of ['', '-wal']) {
      const name = `read-model.sqlite${suffix}`
      copyFileSync(join(folder, name), join(crashed, name))
    }
    const found = openModel(crashed)
    expect([found.runs.get(RUN)?.state.name, found.cursor]).toEqual(['Scheduled', created.cursor])
    close(found)
  })

  test('brings in what it was given when somebody reads, and not before', () => {
    const log = new TestLog()
    const model = opened()
    model.take([log.create(RUN), log.start(RUN)])
    expect([model.newestRev(RUN), model.newestRev(runId(2)), model.figures.records]).toEqual([
      2,
      undefined,
      0,
    ])
    expect([model.runs.get(RUN)?.state.name, model.cursor, model.newestRev(RUN)]).toEqual(['Running', '2', 2])
    const { records } = model.figures
    expect(records).toBeGreaterThan(0)
    model.take([log.complete(RUN)])
    model.commit()
    expect(model.figures.records).toBeGreaterThan(records)
  })

  test('brings in by itself what nobody reads when it grows long', () => {
    const log = new TestLog()
    const model = opened()
    for (let number = 0; number < 1_000; number++) model.take([log.create(runId(number))])
    expect(model.figures.records).toBeGreaterThan(700)
  })

  test('tells at its next commit what could not be brought in, and takes nothing on top of that', () => {
    const log = new TestLog()
    const model = opened()
    const created = log.create(RUN)
    model.apply([created])
    model.take([{ ...log.start(RUN), subject: Symbol('no text') as never }])
    expect([model.runs.get(RUN)?.state.name, model.cursor]).toEqual(['Scheduled', created.cursor])
    const later = log.complete(RUN)
    model.take([later])
    expect(() => model.commit()).toThrow()
    expect(model.cursor).toBe(created.cursor)
    model.apply(log.entries)
    model.commit()
    expect([model.runs.get(RUN)?.state.name, model.cursor]).toEqual(['Completed', later.cursor])
  })

  test('passes by what it has already', () => {
    const log = new TestLog()
    log.create(RUN)
    log.start(RUN)
    log.task(RUN, 'fetch-0')
    const model = opened()
    model.apply(log.entries)
    const [run, events] = [model.runs.get(RUN), model.events.list({}).items]
    model.apply(log.entries)
    expect(model.runs.get(RUN)).toEqual(run)
    expect(model.events.list({}).items).toEqual(events)
  })

  test('is made anew for another broker', () => {
    const log = new TestLog()
    const before = opened('nats://one')
    before.apply([log.create(RUN)])
    close(before)
    const after = opened('nats://two')
    expect(after.cursor).toBeUndefined()
    expect(after.runs.get(RUN)).toBeUndefined()
  })

  test('is made anew when another version has written it', () => {
    const log = new TestLog()
    const before = opened()
    before.apply([log.create(RUN)])
    close(before)
    const db = new DatabaseSync(join(folder, 'read-model.sqlite'))
    db.exec('PRAGMA user_version = 9999; DROP TABLE runs; CREATE TABLE later (x)')
    db.close()
    const after = opened()
    expect(after.cursor).toBeUndefined()
    after.apply([...log.entries])
    expect(after.runs.get(RUN)?.id).toBe(RUN)
  })

  test('is made anew when its file is no database', async () => {
    await writeFile(
      join(folder, 'read-model.sqlite'),
      'this is a text, and by no means a database '.repeat(100),
    )
    const model = opened()
    model.apply([new TestLog().create(RUN)])
    expect(model.runs.get(RUN)?.id).toBe(RUN)
  })

  test('leaves the file of another gateway alone and takes the next', async () => {
    const log = new TestLog()
    const [one, two] = [opened(), opened()]
    one.apply([log.create(RUN)])
    two.apply([log.create(runId(2))])
    expect(one.runs.get(runId(2))).toBeUndefined()
    expect(two.runs.get(RUN)).toBeUndefined()
    expect(await readdir(folder)).toEqual(
      expect.arrayContaining(['read-model.sqlite', 'read-model-2.sqlite']),
    )
  })

  test('says where it cannot be kept', async () => {
    const place = join(folder, 'a-file')
    await writeFile(place, '')
    expect(() => openModel(place)).toThrow(expect.objectContaining({ code: 'CB_E_STORE_UNWRITABLE' }))
  })

  test('forgets everything when it is reset', () => {
    const log = new TestLog()
    const model = opened()
    model.apply([log.create(RUN), log.say(RUN, { message: 'hello' })])
    model.reset()
    expect([model.cursor, model.runs.get(RUN), model.lines.list({}).items]).toEqual([
      undefined,
      undefined,
      [],
    ])
    model.apply(log.entries)
    expect(model.lines.list({ q: 'hello' }).items).toHaveLength(1)
  })
})

describe('a run that is archived', () => {
  test('leaves nothing behind, and others stay as they were', () => {
    const log = new TestLog()
    const other = runId(2)
    for (const run of [RUN, other]) {
      log.create(run, { tags: ['prod'] })
      log.start(run)
      log.task(run, 'fetch-0')
      log.say(run, { message: 'sunshine in Rome' })
      log.note(run, 'artifact', { kind: 'markdown', markdown: '# Rome' })
      log.complete(run)
    }
    const model = modelOf(log)
    model.apply([log.archive(RUN)])
    expect(model.runs.list({}).items.map(({ id }) => id)).toEqual([other])
    expect(model.runs.list({ name: 'otter', tag: 'prod' }).items.map(({ id }) => id)).toEqual([other])
    expect(model.tasks.list({ tag: 'net' }).items.map(({ run }) => run)).toEqual([other])
    expect(model.lines.list({ q: 'sunshine' }).items.map(({ run }) => run)).toEqual([other])
    expect(model.artifacts.list({}).items.map(({ run }) => run)).toEqual([other])
    expect(new Set(model.events.list({ limit: 200 }).items.map(({ run }) => run))).toEqual(new Set([other]))
    model.close()
  })

  test('is no run, when its tombstone is all there is', () => {
    const log = new TestLog()
    const model = modelOf(log)
    model.apply([log.archive(RUN)])
    expect(model.runs.get(RUN)).toBeUndefined()
    model.close()
  })
})

describe('an entry that cannot be read', () => {
  test('is left out and counted; the run goes on with the next', () => {
    const log = new TestLog()
    log.create(RUN)
    log.add(RUN, [], { records: [{ k: 'head', v: 1, snap: 0 }, { k: 'who knows' }] })
    log.add(RUN, [], { records: ['nonsense'] })
    log.add(RUN, [], { records: [{ k: 'head', v: 999, snap: 0 }] })
    log.start(RUN)
    const model = modelOf(log)
    expect(model.figures.unreadable).toBe(3)
    expect(model.runs.get(RUN)?.state.name).toBe('Running')
    model.close()
  })

  test('is left out when the log begins with it: there is no such run then', () => {
    const log = new TestLog()
    log.add(RUN, [], { records: ['nonsense'] })
    log.start(RUN)
    const model = modelOf(log)
    expect(model.runs.get(RUN)).toBeUndefined()
    model.close()
  })

  test('moves the run all the same when its chart would not', () => {
    const log = new TestLog()
    log.create(RUN)
    log.add(RUN, [{ k: 'flow', e: { type: 'COMPLETE', at: AT }, s: 'COMPLETED.Wise' }])
    const model = modelOf(log)
    expect(model.runs.get(RUN)?.state).toMatchObject({ type: 'COMPLETED', name: 'Wise' })
    model.close()
  })
})
