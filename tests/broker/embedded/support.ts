/** What the tests of the embedded driver share: folders, brokers that end with the test, and other processes. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach } from 'vitest'
import { embeddedBroker } from '../../../src/broker/embedded/index.ts'
import type { AppendOutcome, Broker, BrokerOptions } from '../../../src/broker/index.ts'
import {
  type Clock,
  type Deps,
  type Logger,
  systemClock,
  systemDeps,
  type Timer,
} from '../../../src/core/index.ts'
import '../../support/leak-check.ts'

const endings: (() => Promise<unknown>)[] = []

/** Runs when the test has ended, the last one first. */
export function atEnd(end: () => Promise<unknown>): void {
  endings.push(end)
}

afterEach(async () => {
  for (let end = endings.pop(); end; end = endings.pop()) await end()
})

/** An empty folder, gone after the test. */
export async function newFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'callboard-test-'))
  atEnd(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** A started broker, stopped after the test. */
export async function startBroker(
  url: string,
  deps: Deps = systemDeps(),
  options?: BrokerOptions,
): Promise<Broker> {
  const broker = embeddedBroker(url, deps, options)
  atEnd(() => broker.stop())
  await broker.start()
  return broker
}

export async function codeOf(work: Promise<unknown>): Promise<unknown> {
  const error: unknown = await work.then(
    () => 'nothing was thrown',
    (thrown: unknown) => thrown,
  )
  return error instanceof Error && 'code' in error ? error.code : error
}

export function appended(outcome: AppendOutcome): Extract<AppendOutcome, { outcome: 'appended' }> {
  if (outcome.outcome !== 'appended') throw new Error(`not appended: ${JSON.stringify(outcome)}`)
  return outcome
}

/** The machine's clock, except that timers wait for `fire`. */
export interface HeldClock extends Clock {
  /** The delays of the timers that are armed. */
  readonly delays: readonly number[]
  /** Fires those with this delay now. */
  fire(delayMs: number): void
}

export function heldClock(): HeldClock {
  const timers = new Set<{ readonly delayMs: number; readonly fn: () => void }>()
  return {
    ...systemClock,
    setTimer(delayMs, fn): Timer {
      const timer = { delayMs, fn }
      timers.add(timer)
      return { cancel: () => void timers.delete(timer) }
    },
    get delays() {
      return [...timers].map(({ delayMs }) => delayMs)
    },
    fire(delayMs) {
      for (const timer of [...timers]) {
        if (timer.delayMs !== delayMs) continue
        timers.delete(timer)
        timer.fn()
      }
    },
  }
}

/** Keeps every line that was logged. */
export function recordingLogger(): Logger & { readonly lines: readonly string[] } {
  const lines: string[] = []
  const write = (_facts: object, message: string) => void lines.push(message)
  const logger = {
    lines,
    trace: write,
    debug: write,
    info: write,
    warn: write,
    error: write,
    child: () => logger,
  }
  return logger
}

/** A process of its own that runs one of the scripts in `fixtures/`. */
export interface Process {
  readonly child: ChildProcess
  /** Every line it has printed so far. */
  readonly lines: readonly string[]
  /** The next line that begins with `prefix` and was not handed out yet. */
  line(prefix: string): Promise<string>
  kill(signal: NodeJS.Signals): void
  /** Closes its input, by which it stops; resolves when it has gone. */
  end(): Promise<void>
  readonly gone: Promise<unknown>
}

export function startProcess(script: string, ...args: readonly string[]): Process {
  const path = fileURLToPath(new URL(`./fixtures/${script}.ts`, import.meta.url))
  const child = spawn(process.execPath, [path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  const gone = once(child, 'close')
  const lines: string[] = []
  const waiting = new Set<() => void>()
  let handedOut = 0
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line)
    for (const look of [...waiting]) look()
  })
  const started: Process = {
    child,
    lines,
    gone,
    line: (prefix) =>
      new Promise((resolve, reject) => {
        const look = () => {
          let index = handedOut
          while (index < lines.length && !lines[index]?.startsWith(prefix)) index++
          if (index === lines.length) return
          handedOut = index + 1
          waiting.delete(look)
          resolve(lines[index] ?? '')
        }
        waiting.add(look)
        look()
        gone.then(() => reject(new Error(`${script} ended before it printed "${prefix}"`)))
      }),
    kill: (signal) => void child.kill(signal),
    async end() {
      child.stdin.end()
      await gone
    },
  }
  atEnd(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await gone
  })
  return started
}
