/** Opening a folder: what is made, what is refused, what is left untouched. */

import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { embeddedBroker } from '../../../src/broker/embedded/index.ts'
import { systemDeps } from '../../../src/core/index.ts'
import { appended, codeOf, newFolder, startBroker, startProcess } from './support.ts'

const start = (dir: string, options = '') => embeddedBroker(`embedded:${dir}${options}`, systemDeps()).start()

/** Every file with its bytes. */
async function contentsOf(dir: string): Promise<Record<string, string>> {
  const names = (await readdir(dir)).toSorted()
  const files = await Promise.all(names.map(async (name) => [name, await readFile(join(dir, name), 'hex')]))
  return Object.fromEntries(files)
}

/** A store with one entry in it, closed. */
async function closedStore(): Promise<string> {
  const dir = await newFolder()
  const broker = embeddedBroker(`embedded:${dir}`, systemDeps())
  await broker.start()
  appended(await broker.log.append('s', ['1'], { expect: 0 }))
  await broker.stop()
  return dir
}

describe('a folder that cannot be a store', () => {
  test('is refused when it holds the files of others, and nothing is created in it', async () => {
    const dir = await newFolder()
    await writeFile(join(dir, 'thesis.txt'), 'mine')
    expect(await codeOf(start(dir))).toBe('CB_E_STORE_FOREIGN')
    expect(await readdir(dir)).toEqual(['thesis.txt'])
  })

  test("is refused when its database is another program's, and that is left as it was", async () => {
    const dir = await newFolder()
    const foreign = new DatabaseSync(join(dir, 'callboard.db'))
    foreign.exec('CREATE TABLE theirs (a)')
    foreign.close()
    const before = await contentsOf(dir)
    expect(await codeOf(start(dir))).toBe('CB_E_STORE_FOREIGN')
    expect(await contentsOf(dir)).toEqual(before)
  })

  test('is refused when its format is newer, naming both formats, and is left as it was', async () => {
    const dir = await closedStore()
    const store = new DatabaseSync(join(dir, 'callboard.db'))
    store.exec('PRAGMA user_version = 7')
    store.close()
    const before = await readFile(join(dir, 'callboard.db'), 'hex')
    await expect(start(dir)).rejects.toMatchObject({
      code: 'CB_E_STORE_TOO_NEW',
      details: { found: 7, supported: 1 },
    })
    expect(await readFile(join(dir, 'callboard.db'), 'hex')).toBe(before)
  })

  test('is refused when the database is not one', async () => {
    const dir = await newFolder()
    await writeFile(join(dir, 'callboard.db'), 'not a database, however long this text may be: '.repeat(10))
    expect(await codeOf(start(dir))).toBe('CB_E_STORE_DAMAGED')
  })

  test('is refused when pages of the database are overwritten', async () => {
    const dir = await closedStore()
    await using file = await open(join(dir, 'callboard.db'), 'r+')
    const { size } = await file.stat()
    await file.write(Buffer.alloc(size - 100, 0xee), 0, size - 100, 100)
    expect(await codeOf(start(dir))).toBe('CB_E_STORE_DAMAGED')
  })

  test('is refused when it cannot be made', async () => {
    const dir = await newFolder()
    await writeFile(join(dir, 'file'), '')
    expect(await codeOf(start(join(dir, 'file', 'below')))).toBe('CB_E_STORE_UNWRITABLE')
  })

  test('is refused when it may not even hold the empty tables', async () => {
    const dir = await newFolder()
    const tooSmall = new DatabaseSync(join(dir, 'callboard.db'))
    tooSmall.exec('PRAGMA page_size = 65536; PRAGMA journal_mode = WAL')
    tooSmall.close()
    expect(await codeOf(start(dir, '?max_bytes=256KiB'))).toBe('CB_E_STORE_FULL')
  })
})

describe('a folder that can be a store', () => {
  test('may hold what file systems leave in every folder', async () => {
    const dir = await newFolder()
    await mkdir(join(dir, 'lost+found'))
    await startBroker(`embedded:${dir}`)
    expect(await readdir(dir)).toContain('callboard.db')
  })

  test('is made with the folders above it', async () => {
    const dir = join(await newFolder(), 'a', 'b')
    const broker = await startBroker(`embedded:${dir}`)
    appended(await broker.log.append('s', ['1'], { expect: 0 }))
  })

  test('may have a path far longer than that of a socket', async () => {
    const deep = join(
      await newFolder(),
      ...Array.from({ length: 12 }, () => 'quite-a-long-name-for-a-folder'),
    )
    const broker = await startBroker(`embedded:${deep}`)
    const member = startProcess('member', `embedded:${deep}`, 'deep')
    await member.line('ready')
    expect(await broker.bus.request('who.deep', null)).toEqual({ outcome: 'reply', value: member.child.pid })
    await member.end()
  })

  test('is made once by processes that come to it at the same moment', async () => {
    const dir = await newFolder()
    const members = Array.from({ length: 4 }, (_, i) => startProcess('member', `embedded:${dir}`, `m${i}`))
    const ready = await Promise.all(members.map((member) => member.line('ready')))
    expect(new Set(ready).size).toBe(1)
    const broker = await startBroker(`embedded:${dir}`)
    for (const [i, member] of members.entries())
      expect(await broker.bus.request(`who.m${i}`, null)).toEqual({
        outcome: 'reply',
        value: member.child.pid,
      })
    await Promise.all(members.map((member) => member.end()))
  })

  test('is reached by one name and by another', async () => {
    const dir = await newFolder()
    const one = await startBroker(`embedded:${dir}`)
    const two = await startBroker(`embedded:${join(dir, '..', dir.split('/').at(-1) ?? '')}/`)
    appended(await one.log.append('s', ['1'], { expect: 0 }))
    expect((await two.log.last('s'))?.rev).toBe(1)
  })

  test('is closed with the last broker on it, and opened anew', async () => {
    const dir = await closedStore()
    expect((await readdir(dir)).filter((name) => name.startsWith('callboard'))).toEqual(['callboard.db'])
    expect(await readdir(join(dir, 'peers'))).toEqual([])
    const broker = await startBroker(`embedded:${dir}`)
    expect((await broker.log.last('s'))?.rev).toBe(1)
  })

  test('stopped and started by many at once ends closed', async () => {
    const dir = await newFolder()
    for (let round = 0; round < 5; round++) {
      const brokers = Array.from({ length: 4 }, () => embeddedBroker(`embedded:${dir}`, systemDeps()))
      await Promise.all(
        brokers.map(async (broker) => {
          await broker.start()
          appended(await broker.log.append(`s${round}-${brokers.indexOf(broker)}`, ['1'], { expect: 0 }))
          await broker.stop()
        }),
      )
    }
    expect(await readdir(join(dir, 'peers'))).toEqual([])
  })
})

test('[scenario 35] a cursor from before a store was wiped is lost, not somewhere else', async () => {
  const dir = await closedStore()
  const first = await startBroker(`embedded:${dir}`)
  const cursor = await first.log.end()
  await first.stop()
  await rm(dir, { recursive: true })
  const second = await startBroker(`embedded:${dir}`)
  appended(await second.log.append('s', ['1'], { expect: 0 }))
  appended(await second.log.append('s', ['1'], { expect: 1 }))
  expect(await codeOf(second.log.follow({ partitions: 'all' }, cursor, () => {}))).toBe('CB_E_CURSOR_LOST')
})
