/** Waking up when another process has written, and doing nothing when none has. */

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { enterFolder } from '../../../src/broker/embedded/folder-place.ts'
import { systemClock, systemDeps } from '../../../src/core/index.ts'
import { appended, atEnd, heldClock, newFolder, startBroker } from './support.ts'

/** The delay of the look that comes although nobody has said anything. */
const LOOK_ANYWAY_MS = 1_500

/**
 * A broker whose timers fire only when told to, so that what it notices it was told of; and another one that is, to
 * it, another process: a connection of its own.
 */
async function twoSides() {
  const dir = await newFolder()
  const clock = heldClock()
  const deps = { ...systemDeps(), clock }
  const here = await startBroker(`embedded:${dir}`, deps)
  const there = await startBroker(`embedded:${dir}?max_bytes=1TiB`)
  const stay = await enterFolder(dir, { synchronous: 'full', maxBytes: undefined }, deps)
  atEnd(stay.leave)
  return { dir, clock, here, there, wakeups: stay.folder.wakeups }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => systemClock.defer(resolve))
}

describe('another process that writes', () => {
  test('wakes followers, claimers and watchers here without any timer', async () => {
    const { here, there } = await twoSides()
    const entry = Promise.withResolvers<string | undefined>()
    await here.log.follow({ partitions: 'all' }, 'tail', ([first]) => entry.resolve(first?.subject))
    const key = Promise.withResolvers<string>()
    await (await here.kv.bucket('b')).watch('', (change) => {
      if (change.kind === 'put') key.resolve(change.entry.key)
    })
    const claim = here.queue.claim(['q'], 1, new AbortController().signal)

    appended(await there.log.append('s', ['1'], { expect: 0 }))
    expect(await entry.promise).toBe('s')
    await (await there.kv.bucket('b')).put('k', 1)
    expect(await key.promise).toBe('k')
    await there.queue.enqueue('q', 1, { id: 'i' })
    expect((await claim)[0]?.id).toBe('i')
  })

  test('is noticed by the look that comes anyway, when its word was lost', async () => {
    const { dir, clock, here, there } = await twoSides()
    const entry = Promise.withResolvers<string | undefined>()
    await here.log.follow({ partitions: 'all' }, 'tail', ([first]) => entry.resolve(first?.subject))
    // The file that is watched is gone: what the other side writes to its own handle of it reaches nobody.
    await rm(join(dir, 'wake'))
    await turns(20)
    appended(await there.log.append('s', ['1'], { expect: 0 }))
    clock.fire(LOOK_ANYWAY_MS)
    expect(await entry.promise).toBe('s')
  })

  test('is heard again after the watched file was removed and made anew', async () => {
    const { dir, clock, here, there, wakeups } = await twoSides()
    await rm(join(dir, 'wake'))
    clock.fire(LOOK_ANYWAY_MS)
    const entry = Promise.withResolvers<string | undefined>()
    await here.log.follow({ partitions: 'all' }, 'tail', ([first]) => entry.resolve(first?.subject))
    // The other side still writes to the old file, until a look of its own; who comes now finds the new one.
    appended(await there.log.append('s', ['1'], { expect: 0 }))
    const again = await startBroker(`embedded:${dir}?max_bytes=2TiB`)
    appended(await again.log.append('t', ['1'], { expect: 0 }))
    expect(await entry.promise).toBe('s')
    expect(wakeups.blind).toBeUndefined()
  })
})

describe('a store in which nothing happens', () => {
  test('is not looked at but by the timer, whoever waits for something', async () => {
    const { clock, here, wakeups } = await twoSides()
    await here.log.follow({ partitions: 'all' }, 'tail', () => {})
    await (await here.kv.bucket('b')).watch('', () => {})
    const gone = new AbortController()
    const claim = here.queue.claim(['q'], 1, gone.signal)
    // What was written above has been told to the watch already; a few turns, and it has been looked at.
    await turns(20)
    const before = wakeups.looks
    await turns(200)
    expect(wakeups.looks).toBe(before)
    clock.fire(LOOK_ANYWAY_MS)
    expect(wakeups.looks).toBe(before + 1)
    gone.abort()
    expect(await claim).toEqual([])
  })

  test('has one timer, and that does not keep the process alive', async () => {
    const dir = await newFolder()
    const armed: (boolean | undefined)[] = []
    const clock = heldClock()
    const counting: typeof clock = {
      ...clock,
      setTimer(delayMs, fn, options) {
        armed.push(options?.ref)
        return clock.setTimer(delayMs, fn, options)
      },
    }
    await startBroker(`embedded:${dir}`, { ...systemDeps(), clock: counting })
    expect(armed).toEqual([false])
    expect(clock.delays).toEqual([LOOK_ANYWAY_MS])
  })
})

test('alone in a store, a process is not woken by its own commits', async () => {
  const dir = await newFolder()
  const clock = heldClock()
  const deps = { ...systemDeps(), clock }
  const broker = await startBroker(`embedded:${dir}`, deps)
  const stay = await enterFolder(dir, { synchronous: 'full', maxBytes: undefined }, deps)
  atEnd(stay.leave)
  for (let rev = 0; rev < 20; rev++) appended(await broker.log.append('s', ['1'], { expect: rev }))
  await turns(20)
  expect(stay.folder.wakeups.looks).toBe(0)
})
