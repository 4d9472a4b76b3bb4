/** The programs of the documents that Callboard began with: each is run as a user runs it, and does what its document shows. */

import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connect } from '../../src/sdk/public.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

let home: string
let server: Server | undefined
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'callboard-examples-'))
})
afterEach(async () => {
  server?.closeAllConnections()
  await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())))
  server = undefined
  await rm(home, { recursive: true, force: true })
})

/** A stand-in for the services that the examples speak with. */
async function serve(
  answer: (path: string, body: string, key: string | undefined) => { status?: number; body: unknown },
): Promise<string> {
  const started = createServer((request, response) => {
    let text = ''
    request.on('data', (part) => {
      text += part
    })
    request.on('end', () => {
      const { body, status = 200 } = answer(request.url ?? '', text, request.headers.authorization)
      response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body))
    })
  })
  server = started
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve))
  const address = started.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

interface Played {
  readonly code: number | null
  readonly out: string[]
  /** Log lines, without their time. */
  readonly lines: string[]
  readonly times: string[]
}

/** Runs an example, with the arguments behind its name, to its end; `saw` hears each log line as it comes. */
function play(
  example: string,
  variables: Readonly<Record<string, string>> = {},
  saw: (line: string) => void = () => {},
): Promise<Played> {
  const [name, ...args] = example.split(' ')
  const child = spawn(process.execPath, ['-C', 'callboard-source', `examples/${name}.ts`, ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: home, NO_COLOR: '1', CALLBOARD_HOME: home, ...variables },
  })
  let out = ''
  let log = ''
  child.stdout.on('data', (part) => {
    out += part
  })
  child.stderr.on('data', (part) => {
    log += part
    for (const line of String(part).split('\n')) saw(line)
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      const rows = log.split('\n').filter((line) => line !== '')
      const lines = rows.filter((line) => /^\d\d:\d\d:\d\d\.\d{3} \| /.test(line))
      resolve({
        code,
        out: out.split('\n').filter((line) => line !== ''),
        lines: lines.map((line) =>
          line.slice('00:00:00.000 | '.length).replaceAll(/'[a-z]+-[a-z]+'/g, "'<run>'"),
        ),
        times: lines.map((line) => line.slice(0, 12)),
      })
    })
  })
}

describe('an example', { timeout: 60_000 }, () => {
  test('prints its lines as people read them, and keeps one task out of the log', async () => {
    const { code, lines, out } = await play('log-prints')
    expect(lines).toEqual([
      "INFO    | callboard.engine - Created flow run '<run>' for flow '<run>'",
      "INFO    | Flow run '<run>' - Beginning flow run '<run>' for flow '<run>'",
      "INFO    | Flow run '<run>' - hello 👋",
      "INFO    | Flow run '<run>' - Created task run 'my-task-0' for task '<run>'",
      "INFO    | Task run 'my-task-0' - world 🌍",
      "INFO    | Task run 'my-task-0' - custom code that knows nothing of flows",
      "INFO    | Task run 'my-task-0' - Finished in state Completed()",
      "INFO    | Flow run '<run>' - Created task run 'sensitive-task-0' for task '<run>'",
      "INFO    | Task run 'sensitive-task-0' - Finished in state Completed()",
      "INFO    | Flow run '<run>' - Finished in state Completed()",
    ])
    expect(out).toEqual(['print this only locally to the terminal', 'custom sensitive data'])
    expect(code).toBe(0)
  })

  test('waits for an approval that comes from another process, and goes on', async () => {
    const alerts: string[] = []
    const url = await serve((_, body) => {
      alerts.push(JSON.parse(body).text)
      return { body: 'ok' }
    })
    const { promise: waiting, resolve: isWaiting } = Promise.withResolvers<void>()
    const played = play('semi-manual-process', { SLACK_WEBHOOK_URL: url }, (line) => {
      if (line.includes('Pausing flow')) isWaiting()
    })
    await waiting
    const run = /: (\w+)$/.exec(alerts[0] ?? '')?.[1] ?? ''
    await using client = await connect(`embedded:${join(home, 'broker')}`)
    const names: string[] = []
    for await (const event of client.run(run).events()) {
      if (event.of !== 'flow') continue
      names.push(event.name)
      if (event.name === 'Paused' && names.filter((name) => name === 'Paused').length === 1)
        await client.run(run).resume()
    }
    const { code, lines } = await played
    expect(alerts[0]).toMatch(/^ChatGPT training finished\. Please approve to continue processing: \w+$/)
    expect(lines.map((line) => line.split(' - ')[1])).toEqual(
      expect.arrayContaining([
        'Processing something important 🤖',
        'Waiting for approval...',
        'Process got approved! 🎉 Moving on to the next task',
        'The answer is... 42!',
        'Finished in state Completed()',
      ]),
    )
    expect(names).toEqual(expect.arrayContaining(['Running', 'Paused', 'Completed']))
    expect(code).toBe(0)
  })

  test('fetches the weather, tries again what fails, and writes it to a file', async () => {
    let calls = 0
    const asked: unknown[] = []
    const url = await serve((path, _, key) => {
      if (++calls < 3) return { status: 503, body: 'busy' }
      asked.push(path, key)
      return { body: { hourly: { temperature_2m: [10.4, 11] } } }
    })
    const file = join(home, 'weather.csv')
    const setup = await play('weather setup', { WEATHER_URL: `${url}/`, WEATHER_KEY: 'hunter2' })
    const { code, lines } = await play('weather', { WEATHER_FILE: file })
    expect(await readFile(file, 'utf8')).toBe('10.4')
    expect(asked).toEqual(['/?latitude=52.5&longitude=13.4&hourly=temperature_2m', 'Bearer hunter2'])
    expect([...setup.lines, ...lines].join()).not.toContain('hunter2')
    expect(lines).toContain(`INFO    | Task run 'fetch-weather-0' - Asking ${url}/ with the key ***`)
    expect(lines).toEqual(
      expect.arrayContaining([
        "INFO    | Task run 'fetch-weather-0' - Retry 1/4 will start in 100ms",
        "INFO    | Task run 'fetch-weather-0' - Retry 2/4 will start in 200ms",
        "INFO    | Task run 'fetch-weather-0' - Forecasted temp C: 10.4 degrees",
        "INFO    | Flow run '<run>' - Successfully wrote temp",
      ]),
    )
    expect([code, calls]).toEqual([0, 3])
  })

  test('reminds those who have not given an update, and posts the updates of the others', async () => {
    const posts: unknown[] = []
    const url = await serve((path, body) => {
      if (path === '/team') return { body: ['ann', 'bob', 'cid'] }
      if (path === '/updates') return { body: { ann: 'wrote tests' } }
      posts.push(JSON.parse(body))
      return { body: '"ok"' }
    })
    const { code, lines } = await play('standup', { STANDUP_URL: url })
    const text = 'The standup is in 30 minutes. What are you up to?'
    expect(posts).toHaveLength(3)
    expect(posts).toEqual(
      expect.arrayContaining([
        { channel: '@bob', text },
        { channel: '@cid', text },
        { channel: '#standup', text: 'ann: wrote tests' },
      ]),
    )
    expect(lines).toEqual(
      expect.arrayContaining([
        "INFO    | Task run 'is-reminder-needed-0' - Finished in state Skipped('ann has given an update', type=COMPLETED)",
        "INFO    | Task run 'send-reminder-0' - Finished in state Skipped('Upstream task run 'is-reminder-needed-0' was skipped.', type=COMPLETED)",
        "INFO    | Task run 'report-0' - Reminded 2 of 3",
        "INFO    | Flow run '<run>' - Finished in state Completed('All reference states completed.')",
      ]),
    )
    expect(code).toBe(0)
  })

  test('fails after three tries, by the documented way, with exit code 1', async () => {
    const { code, lines, out } = await play('retries')
    expect(out).toEqual(['running', 'running', 'running'])
    expect(lines).toEqual(
      expect.arrayContaining([
        "INFO    | Task run 'failure-0' - Retry 1/2 will start in 200ms",
        "INFO    | Task run 'failure-0' - Retry 2/2 will start in 100ms",
        "ERROR   | Task run 'failure-0' - Finished in state Failed('bad code')",
        "ERROR   | Flow run '<run>' - Finished in state Failed('bad code')",
      ]),
    )
    expect(code).toBe(1)
  })

  test('remembers results by inputs, by a sum, and until they expire', async () => {
    const { code, lines, out } = await play('caching')
    const expensive = 'running an expensive operation'
    expect(out).toEqual([
      ...['Saying hello Marvin', 'hello Marvin', 'hello Marvin', 'Saying hello Trillian', 'hello Trillian'],
      ...[expensive, '4', '4', '4', expensive, '5'],
      ...['Saying hello Marvin', 'hello Marvin'],
    ])
    expect(lines.filter((line) => line.endsWith('Finished in state Cached(type=COMPLETED)'))).toHaveLength(3)
    expect(code).toBe(0)
  })

  test('submits tasks and passes their futures on', async () => {
    const { code, out } = await play('task-runners')
    expect([out, code]).toEqual([['add: 10, square: 100'], 0])
  })

  test('is tried again as a whole until it succeeds', async () => {
    let calls = 0
    const url = await serve(() => (++calls < 3 ? { status: 500, body: 'no' } : { body: '200 OK' }))
    const { code, lines, out } = await play('random-status', { STATUS_URL: url })
    expect([out, calls, code]).toEqual([['200 OK'], 3, 0])
    const again =
      "INFO    | Flow run '<run>' - Received non-final state 'AwaitingRetry' when proposing final state 'Failed' and will attempt to run again..."
    expect(lines.filter((line) => line === again)).toHaveLength(2)
    expect(lines.at(-1)).toBe("INFO    | Flow run '<run>' - Finished in state Completed()")
  })
})
