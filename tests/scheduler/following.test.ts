import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Cursor, Entry, Log } from '../../src/broker/index.ts'
import { CallboardError, mintId } from '../../src/core/index.ts'
import { type Follower, SharedFollowing } from '../../src/scheduler/following.ts'
import { type Line, makeStage, recordingLogger, type Stage, until } from './stage.ts'

let stage: Stage
let lines: Line[]
beforeEach(async () => {
  stage = await makeStage()
  lines = []
})
afterEach(() => stage.close())

/** Someone who remembers what was handed over. */
class Reader implements Follower {
  readonly partition: number
  cursor: Cursor | undefined
  readonly got: string[] = []
  isCaughtUp = false
  passed = 0
  restarts = 0
  /** What `handle` does before it remembers. */
  before: () => void | Promise<void> = () => {}

  constructor(partition: number) {
    this.partition = partition
  }

  async handle(entries: readonly Entry[]): Promise<void> {
    await this.before()
    this.got.push(...entries.map(({ subject, rev }) => `${subject} ${rev}`))
    this.cursor = entries.at(-1)?.cursor
  }

  reached(cursor: Cursor, passed: number): void {
    this.cursor = cursor
    this.passed += passed
  }

  caughtUp(): void {
    this.isCaughtUp = true
  }

  restart(): void {
    this.restarts++
    this.cursor = undefined
    this.got.length = 0
  }
}

function follow(log: Log = stage.home.broker.log): SharedFollowing {
  return new SharedFollowing(log, { ...stage.home.deps, logger: recordingLogger(lines) })
}

/** Appends `count` entries to a new subject of this partition; what its follower is to see. */
async function write(partition: number, count: number): Promise<string[]> {
  const subject = mintId(stage.home.deps, partition)
  const { log } = stage.home.broker
  for (let rev = 0; rev < count; rev++) await stage.drive(log.append(subject, ['{}'], { expect: rev }))
  return Array.from({ length: count }, (_, index) => `${subject} ${index + 1}`)
}

describe('the shared following', () => {
  test('hands each partition every entry of its own once, those from before and those to come', async () => {
    const readers = [new Reader(1), new Reader(2)]
    const before = [await write(1, 3), await write(2, 3)]
    await write(3, 3)
    const shared = follow()
    for (const reader of readers) shared.join(reader)
    await until(stage, () => readers.every(({ isCaughtUp }) => isCaughtUp))
    const after = [await write(1, 2), await write(2, 2)]
    await stage.clock.advance(100)
    for (const [index, reader] of readers.entries())
      expect(reader.got).toEqual([...(before[index] ?? []), ...(after[index] ?? [])])
    await stage.drive(shared.stop())
  })

  test('goes on for those it has while others catch up, and repeats nothing when they join', async () => {
    const first = new Reader(1)
    const second = new Reader(2)
    const shared = follow()
    const seen = [...(await write(1, 2))]
    const others = await write(2, 5)
    shared.join(first)
    await until(stage, () => first.isCaughtUp)
    const held = Promise.withResolvers<void>()
    second.before = () => held.promise
    shared.join(second)
    seen.push(...(await write(1, 2)))
    await stage.clock.advance(100)
    expect(first.got).toEqual(seen)
    expect(second.isCaughtUp).toBe(false)
    held.resolve()
    await until(stage, () => second.isCaughtUp)
    seen.push(...(await write(1, 1)))
    await stage.clock.advance(100)
    expect([first.got, second.got]).toEqual([seen, others])
    await stage.drive(shared.stop())
  })

  test('begins after the cursor of each', async () => {
    const { log } = stage.home.broker
    await write(1, 3)
    const cursor = await stage.drive(log.end())
    const later = await write(1, 2)
    const other = await write(2, 1)
    const [one, two] = [new Reader(1), new Reader(2)]
    one.cursor = cursor
    const shared = follow()
    shared.join(one)
    shared.join(two)
    await until(stage, () => one.isCaughtUp && two.isCaughtUp)
    expect([one.got, two.got]).toEqual([later, other])
    await stage.drive(shared.stop())
  })

  test('moves the cursor of a partition in which nothing happens along with the others', async () => {
    const { log } = stage.home.broker
    const [busy, idle] = [new Reader(1), new Reader(2)]
    const shared = follow()
    for (const reader of [busy, idle]) shared.join(reader)
    await write(1, 5)
    await until(stage, () => busy.got.length === 5)
    const end = await stage.drive(log.end())
    expect(idle.cursor && log.compare(idle.cursor, end)).toBe(0)
    await stage.drive(shared.stop())
  })

  test('says how many entries of the log were passed, to those who have most of its partitions', async () => {
    await write(1, 3)
    await write(50, 4) // that nobody here has
    const readers = Array.from({ length: 40 }, (_, partition) => new Reader(partition))
    const shared = follow()
    for (const reader of readers) shared.join(reader)
    await until(stage, () => readers.every(({ isCaughtUp }) => isCaughtUp))
    expect(readers[2]?.passed).toBe(7)
    const late = new Reader(45)
    shared.join(late)
    await until(stage, () => late.isCaughtUp)
    expect(late.passed).toBe(7)
    await write(50, 2)
    await until(stage, () => late.passed === 9 && readers[2]?.passed === 9)
    await stage.drive(shared.stop())
  })

  test('says that nobody has counted them, to those who have few', async () => {
    const { log } = stage.home.broker
    const [busy, idle] = [new Reader(1), new Reader(2)]
    const shared = follow()
    for (const reader of [busy, idle]) shared.join(reader)
    await until(stage, () => busy.isCaughtUp && idle.isCaughtUp)
    await write(1, 2)
    await until(stage, () => busy.got.length === 2)
    const end = await stage.drive(log.end())
    expect(idle.cursor && log.compare(idle.cursor, end)).toBe(0)
    expect(idle.passed).toBe(Number.POSITIVE_INFINITY)
    await stage.drive(shared.stop())
  })

  test('does not call who has left', async () => {
    const [stays, leaves] = [new Reader(1), new Reader(2)]
    const shared = follow()
    for (const reader of [stays, leaves]) shared.join(reader)
    await until(stage, () => stays.isCaughtUp && leaves.isCaughtUp)
    shared.leave(2)
    const [seen] = [await write(1, 2), await write(2, 2)]
    await stage.clock.advance(1_000)
    expect([stays.got, leaves.got]).toEqual([seen, []])
    await stage.drive(shared.stop())
  })

  test('hands everything to who left and joined again, whatever is handed out meanwhile', async () => {
    const { log } = stage.home.broker
    const gate = Promise.withResolvers<void>()
    let follows = 0
    const gated: Log = {
      ...log,
      async follow(filter, from, handler) {
        follows++
        if (isBack) await gate.promise
        return log.follow(filter, from, handler)
      },
    }
    let isBack = false
    const reader = new Reader(1)
    const seen = await write(1, 3)
    const shared = follow(gated)
    shared.join(reader)
    await until(stage, () => reader.isCaughtUp && follows === 2)
    shared.leave(1)
    reader.got.length = 0
    reader.cursor = undefined
    isBack = true
    shared.join(reader)
    seen.push(...(await write(1, 2)), ...(await write(1, 1)))
    gate.resolve()
    await stage.clock.advance(1_000)
    expect(reader.got).toEqual(seen)
    await stage.drive(shared.stop())
  })

  test('goes on from the cursor after a handler that failed', async () => {
    const reader = new Reader(1)
    const shared = follow()
    shared.join(reader)
    await until(stage, () => reader.isCaughtUp)
    let failures = 2
    reader.before = () => {
      if (failures-- > 0) throw new Error('not now')
    }
    const seen = await write(1, 3)
    await stage.clock.advance(5_000)
    expect(reader.got).toEqual(seen)
    expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(2)
    await stage.drive(shared.stop())
  })

  test('begins anew, from nothing, in a log that is not the one it knew', async () => {
    const { log } = stage.home.broker
    let isReplaced = false
    const replaced: Log = {
      ...log,
      follow(filter, from, handler) {
        if (!isReplaced || from === 'start') return log.follow(filter, from, handler)
        isReplaced = false
        return Promise.reject(new CallboardError('CB_E_CURSOR_LOST', 'The log ends before this position.'))
      },
    }
    const [one, two] = [new Reader(1), new Reader(2)]
    const seen = await write(1, 3)
    const shared = follow(replaced)
    shared.join(one)
    await until(stage, () => one.isCaughtUp)
    isReplaced = true
    shared.join(two) // makes it follow again, from where it was
    await stage.clock.advance(5_000)
    expect([one.restarts, two.restarts]).toEqual([1, 1])
    expect(one.got).toEqual(seen)
    expect(lines).toContainEqual(expect.objectContaining({ level: 'error' }))
    await stage.drive(shared.stop())
  })

  test('stops while it catches up', async () => {
    await write(1, 50)
    const reader = new Reader(1)
    const shared = follow()
    shared.join(reader)
    await stage.clock.step()
    await stage.drive(shared.stop())
    const { length } = reader.got
    await write(1, 3)
    await stage.clock.advance(1_000)
    expect(reader.got).toHaveLength(length)
  })
})
