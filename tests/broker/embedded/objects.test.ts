/** What the conformance suite cannot see of the objects: files, leavings, and deletion under a reader. */

import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { codeOf, newFolder, startBroker } from './support.ts'

async function filesIn(dir: string): Promise<readonly string[]> {
  const entries = await readdir(join(dir, 'objects'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}

test('a put that fails leaves no file behind, and the old object as it was', async () => {
  const dir = await newFolder()
  const broker = await startBroker(`embedded:${dir}`)
  await broker.objects.put('key', Buffer.from('old'))
  async function* broken() {
    yield Buffer.from('new and ')
    throw new Error('the source dried up')
  }
  await expect(broker.objects.put('key', broken())).rejects.toThrow('the source dried up')
  expect(await filesIn(dir)).toHaveLength(1)
  const found = await broker.objects.get('key')
  expect(Buffer.concat(await Array.fromAsync(found?.data ?? []))).toEqual(Buffer.from('old'))
})

test('a key of the greatest length is a file all the same, gone when deleted', async () => {
  const dir = await newFolder()
  const broker = await startBroker(`embedded:${dir}`)
  const key = `${Array.from({ length: 4 }, () => 'k'.repeat(63)).join('.')}x`
  expect(key).toHaveLength(256)
  await broker.objects.put(key, Buffer.from('data'))
  expect(await filesIn(dir)).toHaveLength(1)
  expect(await broker.objects.delete(key)).toBe(true)
  expect(await filesIn(dir)).toEqual([])
})

test('an object that is deleted before it was read is missing, with a code', async () => {
  const broker = await startBroker(`embedded:${await newFolder()}`)
  await broker.objects.put('key', Buffer.from('data'))
  const found = await broker.objects.get('key')
  await broker.objects.delete('key')
  expect(await codeOf(Array.fromAsync(found?.data ?? []))).toBe('CB_E_OBJECT_MISSING')
})

test('what a killed process left half written is removed at a later start, what is being written is not', async () => {
  const dir = await newFolder()
  const tmp = join(dir, 'objects', 'tmp')
  await mkdir(tmp, { recursive: true })
  await writeFile(join(tmp, 'left-behind'), 'half')
  await writeFile(join(tmp, 'being-written'), 'half')
  const twoHoursAgo = new Date(1_767_225_600_000)
  await utimes(join(tmp, 'left-behind'), twoHoursAgo, twoHoursAgo)
  await startBroker(`embedded:${dir}`)
  expect(await readdir(tmp)).toEqual(['being-written'])
})

test('stop waits for a put that is under way', async () => {
  const dir = await newFolder()
  const broker = await startBroker(`embedded:${dir}`)
  const { promise: more, resolve: goOn } = Promise.withResolvers<void>()
  async function* slow() {
    yield Buffer.alloc(10)
    await more
    yield Buffer.alloc(10)
  }
  const put = broker.objects.put('key', slow())
  const stopping = broker.stop()
  goOn()
  await stopping
  expect(await put).toEqual({ key: 'key', bytes: 20 })
  expect(await filesIn(dir)).toHaveLength(1)
})
