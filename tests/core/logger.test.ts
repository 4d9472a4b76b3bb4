import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import {
  createLogger,
  type LoggerOptions,
  type LogLevel,
  Secret,
  silentLogger,
  systemClock,
} from '../../src/core/index.ts'

const NOON = new Date(2026, 0, 31, 12, 4, 5, 67)
const clock = { ...systemClock, now: () => NOON.getTime() }

async function recorded(options: Partial<LoggerOptions> & { isTTY?: boolean }) {
  const written: string[] = []
  const destination = { write: (text: string) => written.push(text), isTTY: options.isTTY ?? false }
  const logger = await createLogger({ level: 'info', format: 'json', clock, destination, ...options })
  return { logger, written, lines: () => written.map((line) => JSON.parse(line)) }
}

describe('a logger that writes JSON', () => {
  it('writes one object a line: level, time, facts, message', async () => {
    const { logger, written } = await recorded({})
    logger.info({ flowRun: 'weather', attempt: 2 }, 'it is 100% %s done')
    expect(written).toEqual([
      `{"level":"info","time":"${NOON.toISOString()}","flowRun":"weather","attempt":2,"message":"it is 100% %s done"}\n`,
    ])
  })

  it('writes what is as important as its level, or more', async () => {
    const levels: LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error']
    for (const [index, level] of levels.entries()) {
      const { logger, lines } = await recorded({ level })
      for (const each of levels) logger[each]({}, each)
      expect(lines().map((line) => line.level)).toEqual(levels.slice(index))
    }
  })

  it('adds the facts of a child to each of its lines; those of the line win', async () => {
    const { logger, written, lines } = await recorded({})
    logger.child({ flowRun: 'a', pool: 'p' }).child({ taskRun: 'b' }).warn({ flowRun: 'c' }, 'x')
    logger.info({}, 'y')
    expect(lines()).toMatchObject([{ flowRun: 'c', pool: 'p', taskRun: 'b' }, { message: 'y' }])
    expect(lines()[1]).not.toHaveProperty('pool')
    expect(written[0]?.match(/"flowRun"/g)).toHaveLength(1)
  })

  it('never shows a secret, at any depth, in facts, sentences, errors or children', async () => {
    const { logger, written } = await recorded({})
    const error = Object.assign(new Error('at nats://ann:geheim@h'), { config: { apiKey: 'geheim' } })
    logger.child({ token: 'geheim' }).error(
      {
        password: 'geheim',
        nested: [{ headers: { Authorization: 'Bearer geheim', accept: '*' } }],
        key: new Secret('geheim'),
        url: new URL('https://ann:geheim@h/?token=geheim'),
        text: 'asked with Authorization: Bearer geheim-geheim',
        credentials: { user: 'ann', words: ['geheim'] },
        map: new Map([['x', { seed: 'geheim' }]]),
        error,
      },
      'cannot reach redis://:geheim@h',
    )
    expect(written.join()).not.toContain('geheim')
    expect(JSON.parse(written.join())).toMatchObject({
      token: '***',
      nested: [{ headers: { Authorization: '***', accept: '*' } }],
      url: 'https://ann:***@h/?token=***',
      error: { message: 'at nats://ann:***@h', config: { apiKey: '***' } },
      message: 'cannot reach redis://:***@h',
    })
  })

  it('shows numbers and switches under such names: they are counts and seeds', async () => {
    const { logger, lines } = await recorded({})
    logger.info({ seed: 42, tokens: 0, hasPassword: true, apiKey: null }, 'x')
    expect(lines()).toMatchObject([{ seed: 42, tokens: 0, hasPassword: true, apiKey: null }])
  })

  it('writes errors with stack and causes, also when one is all the facts there are', async () => {
    const { logger, lines } = await recorded({})
    const error = new TypeError('outer', { cause: Object.assign(new Error('inner'), { code: 'E1' }) })
    logger.error(error, 'x')
    logger.error({ error }, 'x')
    const expected = {
      name: 'TypeError',
      message: 'outer',
      stack: error.stack,
      cause: { message: 'inner', code: 'E1' },
    }
    expect(lines()).toMatchObject([{ error: expected }, { error: expected }])
  })

  it('keeps what it writes itself when a fact has the same name', async () => {
    const { logger, lines } = await recorded({})
    logger.info({ level: 3, time: 'now', message: 'other' }, 'x')
    expect(lines()).toMatchObject([
      { level: 'info', message: 'x', level_: 3, time_: 'now', message_: 'other' },
    ])
  })

  it('bears anything that is handed to it, and writes one line of bounded size', async () => {
    const { logger, written } = await recorded({})
    const cycle: Record<string, unknown> = { list: Array.from({ length: 5000 }, (_, i) => i) }
    cycle.self = cycle
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const odd: unknown[] = [
      cycle,
      proxy,
      { proxy },
      {
        get bad() {
          throw new Error('no')
        },
      },
      {
        toJSON() {
          throw new Error('no')
        },
      },
      {
        big: 5n,
        nan: Number.NaN,
        symbol: Symbol('s'),
        fn() {},
        bytes: Buffer.alloc(9),
        no: undefined,
        when: new Date(Number.NaN),
      },
      null,
      undefined,
      'text',
      [1, 2],
    ]
    for (const facts of odd) Reflect.apply(logger.info, logger, [facts, 'x'])
    Reflect.apply(logger.info, logger, [])
    expect(written).toHaveLength(odd.length + 1)
    expect(JSON.parse(written[5] ?? '')).toMatchObject({
      big: '5',
      symbol: 'Symbol(s)',
      fn: '[function fn]',
      bytes: '[9 bytes]',
      when: 'Invalid Date',
    })
    expect(JSON.parse(written[0] ?? '').list.at(-1)).toBe('… 4900 more')
    for (const line of written) expect(line.length).toBeLessThan(10_000)
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withMap: true, withSet: true, withDate: true, withTypedArray: true }),
        fc.string(),
        (facts, text) => {
          written.length = 0
          Reflect.apply(logger.info, logger, [facts, text])
          expect(JSON.parse(written.join()).message).toBe(text)
        },
      ),
    )
  })
})

describe('a logger that writes for people', () => {
  it('names the run and the time of day, in columns', async () => {
    const { logger, written } = await recorded({ format: 'pretty' })
    const run = logger.child({ flowRun: 'gigantic-cockatoo', flowRunId: 'abc' })
    run.info({}, "Created task run 'my_task-0'")
    run.warn({ taskRun: 'my_task-0', attempt: 2 }, 'slow')
    logger.error({ name: 'callboard.worker' }, 'gone')
    logger.info({}, 'plain')
    expect(written).toEqual([
      "12:04:05.067 | INFO    | Flow run 'gigantic-cockatoo' - Created task run 'my_task-0'\n",
      "12:04:05.067 | WARNING | Task run 'my_task-0' - slow\n",
      '12:04:05.067 | ERROR   | callboard.worker - gone\n',
      '12:04:05.067 | INFO    | callboard - plain\n',
    ])
  })

  it('adds the other facts when its level is debug', async () => {
    const { logger, written } = await recorded({ format: 'pretty', level: 'debug' })
    logger.debug(
      { flowRun: 'a', queue: 'default', note: 'two words', list: [1, { a: 2 }], password: 'x' },
      'claimed',
    )
    expect(written).toEqual([
      `12:04:05.067 | DEBUG   | Flow run 'a' - claimed queue=default note="two words" list=[1,{"a":2}] password=***\n`,
    ])
  })

  it('writes an error with its causes below the line', async () => {
    const { logger, written } = await recorded({ format: 'pretty' })
    const cause = new Error('inner')
    cause.stack = 'Error: inner\n    at b'
    const error = new Error('outer', { cause })
    error.stack = 'Error: outer\n    at a'
    logger.error({ error }, 'failed')
    logger.error({ error: 'a text' }, 'failed')
    expect(written).toEqual([
      '12:04:05.067 | ERROR   | callboard - failed\n    Error: outer\n        at a\n    caused by:\n    Error: inner\n        at b\n',
      '12:04:05.067 | ERROR   | callboard - failed\n    "a text"\n',
    ])
  })

  it('uses colours on a terminal only, and not where NO_COLOR asks for none', async () => {
    vi.stubEnv('NO_COLOR', '')
    const coloured = await recorded({ format: 'pretty', isTTY: true })
    coloured.logger.error({}, 'x')
    expect(coloured.written).toEqual(['12:04:05.067 | \u001b[31mERROR  \u001b[39m | callboard - x\n'])
    vi.stubEnv('NO_COLOR', '1')
    const plain = await recorded({ format: 'pretty', isTTY: true })
    plain.logger.error({}, 'x')
    expect(plain.written).toEqual(['12:04:05.067 | ERROR   | callboard - x\n'])
    vi.unstubAllEnvs()
  })
})

describe('logging', () => {
  it('is silent with the silent logger and its children', () => {
    const { trace, debug, info, warn, error } = silentLogger.child({ a: 1 })
    for (const write of [trace, debug, info, warn, error]) expect(write({}, 'x')).toBeUndefined()
  })

  it('does not load pino before a logger is made', () => {
    const program = `
      import { registerHooks } from 'node:module'
      const loaded = []
      registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
      const { createLogger, systemClock } = await import(${JSON.stringify(new URL('../../src/core/index.ts', import.meta.url))})
      const before = loaded.filter((url) => url.includes('node_modules')).length
      await createLogger({ level: 'info', format: 'json', clock: systemClock })
      console.log(before, loaded.some((url) => url.includes('/pino/')))
    `
    const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      encoding: 'utf8',
    })
    expect(printed.trim()).toBe('0 true')
  })
})
