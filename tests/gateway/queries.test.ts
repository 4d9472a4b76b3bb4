/** What can be asked of the read model, and what it answers. */

import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { FlowPolicy } from '../../src/actors/index.ts'
import type { FlowRunQuery, LogLine, RunFilter } from '../../src/api/index.ts'
import type { ReadModel } from '../../src/gateway/read-model/index.ts'
import { AT, modelOf, POLICY, runId, TestLog } from './support/log.ts'

let model: ReadModel
afterEach(() => model.close())

function found(filter: FlowRunQuery): number[] {
  return model.runs.list({ sort: 'created:asc', ...filter }).items.map(({ id }) => Number(id.slice(4)))
}

/** Six runs, each another in what filters ask for. */
function sixRuns(): TestLog {
  const log = new TestLog()
  log.create(runId(1), { name: 'noisy-otter', tags: ['prod', 'eu'] })
  log.create(runId(2), { flow: 'report', name: 'brave-bear', tags: ['prod'], deployment: 'report/nightly' })
  log.create(runId(3), { name: '100%_sure', parent: { run: runId(1), key: 'call-0' }, root: runId(1) })
  log.create(runId(4), { scheduledTime: AT + 60_000, name: 'lazy-otter' })
  log.create(runId(5), { name: 'x', policy: policyOn('gpu') })
  log.create(runId(6), { name: 'Grüße, 世界' })
  log.start(runId(1))
  for (const number of [2, 5]) log.start(runId(number))
  log.complete(runId(2))
  log.fail(runId(5))
  return log
}

function policyOn(queue: string): FlowPolicy {
  return { ...POLICY, target: { queue, priority: 1 } }
}

describe('flow runs are found', () => {
  const cases: readonly [string, RunFilter, readonly number[]][] = [
    ['by nothing in particular', {}, [1, 2, 3, 4, 5, 6]],
    ['by their ids', { id: [runId(2), runId(4)] }, [2, 4]],
    ['by their flow', { flow: 'report' }, [2]],
    ['by one of several flows', { flow: ['report', 'weather'] }, [1, 2, 3, 4, 5, 6]],
    ['by the type of their state', { state: 'RUNNING' }, [1]],
    ['by the name of their state', { state: 'Scheduled' }, [3, 4, 6]],
    ['by types and names at once', { state: ['COMPLETED', 'Failed'] }, [2, 5]],
    ['by a tag', { tag: 'prod' }, [1, 2]],
    ['by all of several tags', { tag: ['prod', 'eu'] }, [1]],
    ['by their deployment', { deployment: 'report/nightly' }, [2]],
    ['by their parent', { parent: runId(1) }, [3]],
    ['by having no parent', { parent: 'none', flow: 'weather' }, [1, 4, 5, 6]],
    ['by the root of their tree', { root: runId(1) }, [3]],
    ['by their worker', { worker: 'w1' }, [1]],
    ['by their queue', { queue: 'gpu' }, [5]],
    ['by when they are to start', { since: new Date(AT + 1).toISOString() }, [4]],
    ['by when they were to start', { until: new Date(AT + 1).toISOString() }, [1, 2, 3, 5, 6]],
    ['by a part of their name, in any case', { name: 'OTTER' }, [1, 4]],
    ['by one character of their name', { name: 'X' }, [5]],
    ['by characters that mean something to the database', { name: '%_' }, [3]],
    ['by a quote in their name, which none has', { name: '"or"' }, []],
    ['by a name in any script', { name: '世界' }, [6]],
    [
      'by everything together',
      { flow: 'weather', state: 'RUNNING', tag: 'eu', name: 'noisy', queue: 'default' },
      [1],
    ],
  ]
  test.each(cases)('%s', (_, filter, numbers) => {
    model = modelOf(sixRuns())
    expect(found(filter)).toEqual(numbers)
    expect(model.runs.count(filter)).toBe(numbers.length)
    expect(Object.values(model.runs.counts(filter)).reduce((sum, count) => sum + count, 0)).toBe(
      numbers.length,
    )
    expect(model.runs.ids(filter, 100)).toEqual(numbers.map(runId))
  })

  test('with an index for whatever they are found by', () => {
    model = modelOf(sixRuns())
    const scanned = cases
      .filter(([, filter]) => Object.keys(filter).length > 0 && filter.name !== 'X' && filter.name !== '%_')
      .filter(([, filter]) => model.runs.plan(filter).some((step) => /^SCAN runs(?! USING)/.test(step)))
    expect(scanned.map(([title]) => title)).toEqual([])
  })
})

describe('pages', () => {
  const sorts = ['created:asc', 'created:desc', 'start:asc', 'start:desc', 'name:asc'] as const

  test.each(sorts)('ordered by %s have every run once, however long they are', (sort) => {
    const log = new TestLog()
    for (let number = 0; number < 23; number++)
      log.create(runId(number), { scheduledTime: AT + (number % 5), name: `name-${number % 3}` })
    model = modelOf(log)
    const whole = model.runs.list({ sort, limit: 200 }).items.map(({ id }) => id)
    expect(new Set(whole).size).toBe(23)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), (limit) => {
        const seen: string[] = []
        let cursor: string | undefined
        do {
          const page = model.runs.list({ sort, limit, ...(cursor === undefined ? {} : { cursor }) })
          seen.push(...page.items.map(({ id }) => id))
          cursor = page.next
        } while (cursor !== undefined)
        expect(seen).toEqual(whole)
      }),
      { numRuns: 20 },
    )
  })

  test('go on where they were when runs come and go in between', () => {
    const log = new TestLog()
    for (const number of [1, 2, 3, 4, 5, 6]) log.create(runId(number))
    model = modelOf(log)
    const first = model.runs.list({ limit: 2 })
    expect(first.items.map(({ id }) => id)).toEqual([runId(6), runId(5)])
    model.apply([log.create(runId(7)), log.archive(runId(5)), log.archive(runId(4))])
    const second = model.runs.list({ limit: 2, cursor: first.next ?? '' })
    expect(second.items.map(({ id }) => id)).toEqual([runId(3), runId(2)])
  })

  test('refuse a cursor that is none, or is of another order', () => {
    const log = new TestLog()
    for (const number of [1, 2, 3]) log.create(runId(number))
    model = modelOf(log)
    const { next = '' } = model.runs.list({ limit: 1, sort: 'name:asc' })
    const refused = expect.objectContaining({ code: 'CB_E_PAGE_CURSOR' })
    expect(() => model.runs.list({ cursor: next, sort: 'created:asc' })).toThrow(refused)
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (cursor) => {
        expect(() => model.runs.list({ cursor })).toThrow(refused)
      }),
    )
    const forged = Buffer.from(JSON.stringify(['created:desc', { $ne: 1 }])).toString('base64url')
    expect(() => model.runs.list({ cursor: forged })).toThrow(refused)
    const short = Buffer.from(JSON.stringify(['name:asc', 'only one'])).toString('base64url')
    expect(() => model.runs.list({ cursor: short, sort: 'name:asc' })).toThrow(refused)
  })
})

describe('log lines', () => {
  const texts = (page: { readonly items: readonly LogLine[] }) => page.items.map(({ message }) => message)

  function spoken(): TestLog {
    const log = new TestLog()
    log.create(runId(1))
    log.create(runId(2))
    log.say(
      runId(1),
      { message: 'sunny in Rome' },
      { message: 'storm over Rome', level: 'warn', task: 'fetch-0' },
    )
    log.say(runId(2), { message: 'no network', level: 'error' })
    log.say(runId(1), { message: 'Rome is done', level: 'debug' })
    return log
  }

  test('of a run come in its order, and go on after a line', () => {
    model = modelOf(spoken())
    const page = model.lines.ofRun(runId(1), {})
    expect(texts(page)).toEqual(['sunny in Rome', 'storm over Rome', 'Rome is done'])
    const second = page.items[1]?.id ?? ''
    expect(texts(model.lines.ofRun(runId(1), { after: second }))).toEqual(['Rome is done'])
    expect(texts(model.lines.ofRun(runId(1), { sort: 'desc', limit: 1 }))).toEqual(['Rome is done'])
  })

  test('have ids that are theirs alone within the run, also across notes of one entry', () => {
    const log = new TestLog()
    log.create(runId(1))
    const lines = (message: string) => ({ lines: [{ at: AT, level: 'info', message }] })
    log.add(runId(1), [
      { k: 'note', at: AT, kind: 'log', data: lines('one') },
      { k: 'note', at: AT, kind: 'log', data: lines('two') },
    ])
    model = modelOf(log)
    expect(model.lines.ofRun(runId(1), {}).items.map(({ id }) => id)).toEqual(['2.0', '2.1'])
  })

  test('of all runs come newest first', () => {
    model = modelOf(spoken())
    expect(texts(model.lines.list({}))).toEqual([
      'Rome is done',
      'no network',
      'storm over Rome',
      'sunny in Rome',
    ])
  })

  test('are found by their words, by how important they are, and by who said them', () => {
    model = modelOf(spoken())
    expect(texts(model.lines.list({ q: 'rome' }))).toHaveLength(3)
    expect(texts(model.lines.list({ q: 'rome storm' }))).toEqual(['storm over Rome'])
    expect(texts(model.lines.list({ q: '"over Rome"' }))).toEqual(['storm over Rome'])
    expect(texts(model.lines.list({ q: '"Rome over"' }))).toEqual([])
    expect(texts(model.lines.list({ level: 'warn' }))).toEqual(['no network', 'storm over Rome'])
    expect(texts(model.lines.list({ task: 'fetch-0' }))).toEqual(['storm over Rome'])
    expect(texts(model.lines.list({ run: runId(2), level: 'error' }))).toEqual(['no network'])
  })

  test('are searched for any text without a fault', () => {
    model = modelOf(spoken())
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'binary' }), (q) => {
        expect(Array.isArray(model.lines.list({ q }).items)).toBe(true)
      }),
    )
    for (const q of ['NOT', 'a AND', 'rome*', 'message:rome', '"', '""', 'NEAR(a b)', '(', '-rome'])
      expect(Array.isArray(model.lines.list({ q }).items)).toBe(true)
  })
})

describe('task runs', () => {
  test('are found by their run, task, state, tag and time, in the order of calls', () => {
    const log = new TestLog()
    log.create(runId(1))
    log.task(runId(1), 'fetch-0')
    log.task(runId(1), 'fetch-1', AT + 9_000)
    log.task(runId(1), 'save-0')
    model = modelOf(log)
    const keys = (query: Parameters<ReadModel['tasks']['list']>[0]) =>
      model.tasks.list(query).items.map(({ key }) => key)
    expect(keys({ run: runId(1) })).toEqual(['fetch-0', 'fetch-1', 'save-0'])
    expect(keys({ task: 'fetch', sort: 'created:desc' })).toEqual(['fetch-1', 'fetch-0'])
    expect(keys({ state: 'COMPLETED', tag: 'net' })).toHaveLength(3)
    expect(keys({ state: 'Running' })).toEqual([])
    expect(keys({ since: new Date(AT + 9_000).toISOString() })).toEqual(['fetch-1'])
    expect(keys({ until: new Date(AT + 9_000).toISOString() })).toEqual(['fetch-0', 'save-0'])
    expect(keys({ name: 'save-0' })).toEqual(['save-0'])
    expect(keys({ run: runId(2) })).toEqual([])
    expect(model.tasks.get(`${runId(1)}.fetch-1`)).toMatchObject({
      task: 'fetch',
      totalRunMs: 250,
      runCount: 1,
    })
  })

  test('of an attempt that is over are superseded until they are called anew', () => {
    const log = new TestLog()
    log.create(runId(1))
    log.start(runId(1))
    log.task(runId(1), 'fetch-0')
    const failed = { type: 'FAIL', at: AT, message: 'no', retryDelayMs: null } as const
    const call = {
      k: 'task+',
      id: 'save-0',
      at: AT,
      task: 'save',
      policy: { retries: 0, timeoutMs: null },
    } as const
    log.add(runId(1), [
      call,
      { k: 'task', id: 'save-0', e: { type: 'START', at: AT }, s: 'RUNNING.Running' },
      { k: 'task', id: 'save-0', e: failed, s: 'FAILED.Failed' },
    ])
    log.fail(runId(1))
    log.add(runId(1), [
      { k: 'flow', e: { type: 'RETRY', at: AT + 6_000, by: { channel: 'cli' } }, s: 'SCHEDULED.Scheduled' },
    ])
    model = modelOf(log)
    const states = () =>
      model.tasks
        .newest(runId(1), 10)
        .map(({ key, state, superseded }) => [key, state.name, superseded ?? false])
    expect(states()).toEqual([
      ['fetch-0', 'Completed', false],
      ['save-0', 'Failed', true],
    ])
    expect(model.runs.get(runId(1))?.taskRuns).toEqual({ COMPLETED: 1 })
    model.apply([log.add(runId(1), [call])])
    expect(states()).toEqual([
      ['fetch-0', 'Completed', false],
      ['save-0', 'Pending', false],
    ])
    expect(model.runs.get(runId(1))?.taskRuns).toEqual({ COMPLETED: 1, PENDING: 1 })
  })
})

describe('what happened', () => {
  function told(): TestLog {
    const log = new TestLog()
    log.create(runId(1))
    log.start(runId(1))
    log.task(runId(1), 'fetch-0')
    log.note(runId(1), 'progress', { done: 1, total: 2 })
    log.note(runId(1), 'progress', { done: 1, total: 4 }, 'fetch-0')
    log.note(runId(1), 'artifact', { kind: 'markdown', key: 'report', markdown: '# Rome' }, 'fetch-0')
    log.add(runId(1), [
      {
        k: 'flow',
        e: {
          type: 'SIGNAL',
          at: AT + 4_000,
          name: 'go',
          payload: { v: { fast: true } },
          by: { channel: 'slack', principal: 'ann' },
        },
        s: 'RUNNING.Running',
      },
    ])
    return log
  }

  test('is told newest first, with who did it', () => {
    model = modelOf(told())
    const [newest] = model.events.list({}).items
    expect(newest).toMatchObject({
      ...{ event: 'signal.go', run: runId(1), by: { channel: 'slack', principal: 'ann' } },
      data: { payload: { fast: true } },
    })
  })

  test('is found by its name, or the beginning of it, by task, flow and time', () => {
    model = modelOf(told())
    const names = (query: Parameters<ReadModel['events']['list']>[0]) =>
      model.events.list({ sort: 'asc', ...query }).items.map(({ event }) => event)
    expect(names({ event: 'flow-run.*' })).toEqual([
      'flow-run.Scheduled',
      'flow-run.Pending',
      'flow-run.Running',
    ])
    expect(names({ event: ['progress', 'signal.go'] })).toEqual(['progress', 'progress', 'signal.go'])
    expect(names({ task: `${runId(1)}.fetch-0` })).toEqual([
      ...['task-run.Pending', 'task-run.Running', 'task-run.Completed', 'progress'],
    ])
    expect(names({ flow: 'report' })).toEqual([])
    expect(names({ run: runId(1), event: 'flow-run.*', since: new Date(AT + 1_000).toISOString() })).toEqual([
      ...['flow-run.Pending', 'flow-run.Running'],
    ])
  })

  test('shows in the progress of the run and of the task run that told of it', () => {
    model = modelOf(told())
    expect(model.runs.get(runId(1))?.progress).toEqual({ done: 1, total: 2 })
    expect(model.tasks.get(`${runId(1)}.fetch-0`)?.progress).toEqual({ done: 1, total: 4 })
  })

  test('leaves artifacts, found by run, key and kind', () => {
    model = modelOf(told())
    const [artifact] = model.artifacts.list({ run: runId(1), key: 'report', kind: 'markdown' }).items
    expect(artifact).toMatchObject({
      key: 'report',
      kind: 'markdown',
      task: 'fetch-0',
      data: { markdown: '# Rome' },
    })
    expect(model.artifacts.get(artifact?.id ?? '')).toEqual(artifact)
    expect(model.artifacts.list({ key: 'other' }).items).toEqual([])
    expect(model.artifacts.get('nothing')).toBeUndefined()
  })

  test('leaves the newest artifact of each key once in a list, also when newer ones come between its pages', () => {
    const log = told()
    for (const key of ['chart', 'report', 'rows', 'chart'])
      log.note(runId(1), 'artifact', { kind: 'markdown', key, markdown: '' })
    log.note(runId(1), 'artifact', { kind: 'markdown', markdown: 'of no key' })
    model = modelOf(log)
    const keysIn = (page: ReturnType<ReadModel['artifacts']['list']>) => page.items.map(({ key }) => key)
    const begun = model.artifacts.list({ latest: true, limit: 2 })
    expect(keysIn(begun)).toEqual(['chart', 'rows'])
    model.apply([log.note(runId(1), 'artifact', { kind: 'markdown', key: 'report', markdown: 'newer' })])
    const { next: cursor = '' } = begun
    expect(keysIn(model.artifacts.list({ latest: true, limit: 2, cursor }))).toEqual(['report'])
    expect(keysIn(model.artifacts.list({ latest: true }))).toEqual(['report', 'chart', 'rows'])
  })

  test('is the history of a task run', () => {
    model = modelOf(told())
    const states = model.events.statesOfTask(`${runId(1)}.fetch-0`, { cursor: undefined, limit: undefined })
    expect(states.items.map(({ state }) => state.name)).toEqual(['Pending', 'Running', 'Completed'])
  })
})

describe('of flows', () => {
  test('there are those that have runs, with how those stand', () => {
    model = modelOf(sixRuns())
    expect(model.runs.flowNames()).toEqual(['report', 'weather'])
    expect(model.runs.flow('weather')).toMatchObject({
      name: 'weather',
      runs: { RUNNING: 1, SCHEDULED: 3, FAILED: 1 },
    })
    expect(model.runs.flow('nobody')).toEqual({ name: 'nobody', runs: {}, versions: [] })
  })

  test('the history counts runs by when they were to start', () => {
    model = modelOf(sixRuns())
    expect(model.runs.history({}, AT, AT + 120_000, 60_000)).toEqual([
      {
        from: new Date(AT).toISOString(),
        to: new Date(AT + 60_000).toISOString(),
        states: { RUNNING: 1, COMPLETED: 1, FAILED: 1, SCHEDULED: 2 },
      },
      {
        from: new Date(AT + 60_000).toISOString(),
        to: new Date(AT + 120_000).toISOString(),
        states: { SCHEDULED: 1 },
      },
    ])
  })
})
