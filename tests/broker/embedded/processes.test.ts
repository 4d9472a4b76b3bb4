/** Several processes on one store, and what is left when one of them is killed. */

import { execFileSync } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { type JsonValue, mintId, sleep, systemClock, systemDeps } from '../../../src/core/index.ts'
import { heldClock, newFolder, type Process, recordingLogger, startBroker, startProcess } from './support.ts'

async function registered(dir: string): Promise<readonly string[]> {
  return (await readdir(join(dir, 'peers'))).filter((name) => name.endsWith('.json'))
}

/** Asks again until it holds; the test's own time limit ends it. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(systemClock, 5)
}

describe('a process that was stopped in the middle of a write', () => {
  test('holds up every other one until it goes on: they say who it is, and nothing is lost', async () => {
    const dir = await newFolder()
    const options = { settleMs: 300, callTimeoutMs: 300 }
    const broker = await startBroker(`embedded:${dir}`, systemDeps(), options)
    const bucket = await broker.kv.bucket('keys')
    const subject = mintId(systemDeps())
    const locker = startProcess('locker', join(dir, 'callboard.db'))
    await locker.line('locked')
    await stopped(locker)
    const { pid } = locker.child

    const refusal = await bucket.put('key', 1).catch((error: unknown) => error)
    expect(refusal).toMatchObject({ code: 'CB_E_BROKER_UNAVAILABLE' })
    if (process.platform === 'linux') {
      const said = new RegExp(`Process ${pid} was stopped .*kill -CONT ${pid}`)
      expect(String(refusal)).toMatch(said)
      expect(refusal).toMatchObject({ details: { pid } })
    }
    const nonce = 'the-same'
    expect(await broker.log.append(subject, ['1'], { expect: 0, nonce })).toMatchObject({
      outcome: 'unknown',
    })
    expect(await broker.log.last(subject)).toBeUndefined() // reading goes on

    locker.kill('SIGCONT')
    await locker.line('committed')
    expect(await broker.log.append(subject, ['1'], { expect: 0, nonce })).toMatchObject({
      outcome: 'appended',
      rev: 1,
    })
    await locker.end()
  })
})

/** Resolves once the process stands still. */
async function stopped({ child }: Process): Promise<void> {
  const state = () => execFileSync('ps', ['-o', 'stat=', '-p', String(child.pid)], { encoding: 'utf8' })
  await until(async () => state().startsWith('T'))
}

describe('a writer that is killed in the middle of its work', () => {
  test('leaves everything that was acknowledged, nothing half written, and a sound database, every time', {
    timeout: 60_000,
  }, async () => {
    const dir = await newFolder()
    const acknowledged: string[] = []
    for (let round = 0; round < 5; round++) {
      const writer = startProcess('writer', `embedded:${dir}?synchronous=${round % 2 ? 'normal' : 'full'}`)
      // Killed later in each round, so that it dies in other places.
      for (let lines = 0; lines < 100 * (round + 1); lines++) await writer.line('')
      writer.kill('SIGKILL')
      await writer.gone
      acknowledged.push(...writer.lines)
    }
    const check = new DatabaseSync(join(dir, 'callboard.db'))
    expect(check.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
    check.close()

    const broker = await startBroker(`embedded:${dir}`)
    const revs = new Map<string, number>()
    const bucket = await broker.kv.bucket('keys')
    for (const line of acknowledged) {
      // The last line of a killed process may be cut.
      const [kind, id = '', number] = line.split(' ')
      if (kind === 'entry') revs.set(id, Math.max(revs.get(id) ?? 0, Number(number)))
      if (kind === 'key' && number) expect((await bucket.get(id))?.revision).toBe(Number(number))
    }
    expect(revs.size).toBeGreaterThan(20)
    for (const [subject, rev] of revs) {
      const entries = await Array.fromAsync(broker.log.read(subject))
      expect(entries.length).toBeGreaterThanOrEqual(rev)
      expect(entries.map((entry) => entry.rev)).toEqual(entries.map((_, i) => i + 1))
      expect(entries.every((entry, i) => JSON.stringify(entry.records).includes(`"rev":${i},`))).toBe(true)
    }
    const items = acknowledged.filter(
      (line) => line.startsWith('item ') && line.length === 'item '.length + 28,
    )
    expect(items.length).toBeGreaterThan(6)
    expect(await broker.queue.depth('work')).toBeGreaterThanOrEqual(items.length)
  })
})

describe('a process that answers on the bus', () => {
  test('is asked by those that started before and after it', async () => {
    const dir = await newFolder()
    const before = await startBroker(`embedded:${dir}`)
    const member = startProcess('member', `embedded:${dir}`, 'm')
    await member.line('ready')
    const after = await startBroker(`embedded:${dir}?max_bytes=1TiB`)
    for (const broker of [before, after])
      expect(await broker.bus.request('who.m', null)).toEqual({ outcome: 'reply', value: member.child.pid })
    await member.end()
    await until(async () => (await registered(dir)).length === 2)
    for (const broker of [before, after])
      expect(await broker.bus.request('who.m', null)).toEqual({ outcome: 'nobody-home' })
  })

  test('that was killed is not home, at once, and its registration is removed', async () => {
    const dir = await newFolder()
    const broker = await startBroker(`embedded:${dir}`)
    const member = startProcess('member', `embedded:${dir}`, 'm')
    await member.line('ready')
    expect(await registered(dir)).toHaveLength(2)
    member.kill('SIGKILL')
    await member.gone
    // The connection breaks a moment after the process; until then nobody can know.
    await until(async () => (await broker.bus.request('who.m', null)).outcome === 'nobody-home')
    await until(async () => (await readdir(join(dir, 'peers'))).length === 2)
    expect(await registered(dir)).toHaveLength(1)
  })

  test('that was killed while it was asked counts as nobody', async () => {
    const dir = await newFolder()
    const broker = await startBroker(`embedded:${dir}`)
    const member = startProcess('member', `embedded:${dir}`, 'm')
    await member.line('ready')
    member.kill('SIGSTOP')
    const asked = broker.bus.request('who.m', null, { timeoutMs: 20_000 })
    member.kill('SIGKILL')
    expect(await asked).toEqual({ outcome: 'nobody-home' })
  })

  test('that stands still lets a question time out, and is asked again when it goes on', async () => {
    const dir = await newFolder()
    const broker = await startBroker(`embedded:${dir}`)
    const member = startProcess('member', `embedded:${dir}`, 'm')
    await member.line('ready')
    member.kill('SIGSTOP')
    expect(await broker.bus.request('who.m', null, { timeoutMs: 50 })).toEqual({ outcome: 'timeout' })
    member.kill('SIGCONT')
    expect(await broker.bus.request('who.m', null)).toEqual({ outcome: 'reply', value: member.child.pid })
  })

  test('that does not read is cut off with a line in the log, and found again when it reads', async () => {
    const dir = await newFolder()
    const logger = recordingLogger()
    const broker = await startBroker(`embedded:${dir}`, systemDeps(logger))
    const member = startProcess('member', `embedded:${dir}`, 'm')
    await member.line('ready')
    member.kill('SIGSTOP')
    const large: JsonValue = 'x'.repeat(500_000)
    for (let i = 0; i < 40; i++) await broker.bus.publish('flood', large)
    await until(async () => logger.lines.includes('a link to another process was cut'))
    member.kill('SIGCONT')
    await until(async () => (await broker.bus.request('who.m', null)).outcome === 'reply')
  })

  test('that hangs holds up nobody who starts', async () => {
    const dir = await newFolder()
    const member = startProcess('member', `embedded:${dir}`, 'm')
    await member.line('ready')
    member.kill('SIGSTOP')
    const clock = heldClock()
    const starting = startBroker(`embedded:${dir}`, { ...systemDeps(), clock })
    await until(async () => clock.delays.includes(500))
    clock.fire(500)
    const broker = await starting
    expect(await broker.bus.request('who.m', null)).toEqual({ outcome: 'nobody-home' })
    member.kill('SIGCONT')
    await until(async () => (await broker.bus.request('who.m', null)).outcome === 'reply')
  })
})
