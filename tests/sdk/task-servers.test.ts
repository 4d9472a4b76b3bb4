/** Tasks that run in other processes, which are killed in the middle: on the embedded broker and on NATS. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type NatsServer, startNats } from '../support/nats-server.ts'

interface Part {
  /** Resolves with the first line that begins like this. */
  said(start: string): Promise<string>
  /** SIGKILL. */
  kill(): Promise<void>
  /** By SIGTERM; gives the exit code. */
  stop(): Promise<number>
  /** What it waits for. */
  go(): void
  readonly ended: Promise<number>
}

const FILE = join(import.meta.dirname, 'fixtures', 'away.ts')
const running = new Set<ChildProcess>()
let home: string
let nats: NatsServer | undefined

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'callboard-away-'))
})
afterEach(async () => {
  for (const child of running) child.kill('SIGKILL')
  await nats?.[Symbol.asyncDispose]()
  nats = undefined
  await rm(home, { recursive: true, force: true })
})

function start(url: string | undefined, ...args: string[]): Part {
  const child = spawn(process.execPath, ['-C', 'callboard-source', FILE, ...args], {
    env: {
      PATH: process.env.PATH,
      HOME: home,
      CALLBOARD_HOME: home,
      CALLBOARD_WORKER_LEASE: '2s',
      CALLBOARD_LOGGING_LEVEL: 'warn',
      ...(url === undefined ? {} : { CALLBOARD_BROKER_URL: url }),
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  running.add(child)
  const lines: string[] = []
  const lookers = new Set<() => void>()
  let rest = ''
  child.stdout.on('data', (part) => {
    const parts = `${rest}${part}`.split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
    for (const look of lookers) look()
  })
  const ended = once(child, 'close').then(([code]) => {
    running.delete(child)
    return Number(code)
  })
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return ended
  }
  return {
    ended,
    kill: async () => void (await end('SIGKILL')),
    stop: () => end('SIGTERM'),
    go: () => void child.stdin.write('go\n'),
    said: (wanted) =>
      new Promise((resolve) => {
        const look = () => {
          const line = lines.find((each) => each.startsWith(wanted))
          if (line === undefined) return
          lookers.delete(look)
          resolve(line)
        }
        lookers.add(look)
        look()
      }),
  }
}

describe.each(['embedded', 'nats'])('on %s', { timeout: 120_000 }, (kind) => {
  let url: string | undefined
  beforeEach(async () => {
    nats = kind === 'nats' ? await startNats() : undefined
    url = nats?.url
  })

  test('[prefect 83] a task whose server is killed runs on another, and its flow gets the result', async () => {
    const one = start(url, 'task-server', 'one')
    const client = start(url, 'client')
    await one.said('serving')
    expect(await one.said('began')).toBe('began on one as 1')
    await one.kill()
    const two = start(url, 'task-server', 'two')
    expect(await client.said('done')).toBe('done by two')
    expect(await client.ended).toBe(0)
    expect(await two.stop()).toBe(0)
  })

  test('a flow whose process is killed finds the task again that went on without it', async () => {
    const server = start(url, 'task-server', 'slow')
    const first = start(url, 'flow-server')
    await Promise.all([server.said('serving'), first.said('serving')])
    const client = start(url, 'client', 'deployed')
    await server.said('began')
    await first.kill()
    const second = start(url, 'flow-server')
    await second.said('asking')
    server.go()
    expect(await client.said('done')).toBe('done by slow')
    expect(await server.stop()).toBe(0)
    expect(await second.stop()).toBe(0)
  })
})
