import { beforeEach, describe, expect, test } from 'vitest'
import type { HostCalls, HostPort } from '../../src/actors/index.ts'
import {
  type Deps,
  seededRandom,
  silentLogger,
  type VirtualClock,
  virtualClock,
} from '../../src/core/index.ts'
import { cutLine, type KeptLine, LineKeeper } from '../../src/sdk/line-keeper.ts'

let clock: VirtualClock
let deps: Deps
/** What the host was asked, in order: the messages of a note, or the kind of the call. */
let asked: (readonly string[] | string)[]
let answers: 'at once' | 'never'
let keeper: LineKeeper

beforeEach(() => {
  clock = virtualClock()
  deps = { clock, random: seededRandom(1), logger: silentLogger }
  asked = []
  answers = 'at once'
  const host: HostPort = {
    call<K extends keyof HostCalls>(kind: K, input: HostCalls[K]['in']): Promise<HostCalls[K]['out']> {
      asked.push('data' in input ? (input.data.lines as object as KeptLine[]).map(messageOf) : kind)
      return answers === 'never' ? new Promise(() => {}) : Promise.resolve(null as HostCalls[K]['out'])
    },
  }
  keeper = new LineKeeper(host, deps, 'info')
})

const messageOf = ({ message }: KeptLine) => message
const say = (message: string, level: KeptLine['level'] = 'info') => keeper.keep({ at: 0, level, message })

describe('the lines of a run', () => {
  test('are kept at once after a silence; what follows is gathered', async () => {
    say('first')
    say('of the same turn')
    await clock.advance(0)
    expect(asked).toEqual([['first', 'of the same turn']])
    say('second')
    await clock.advance(100)
    say('third')
    expect(asked).toHaveLength(1)
    await clock.advance(100)
    expect(asked.slice(1)).toEqual([['second', 'third']])
  })

  test('are never more in one note than a record holds, whatever they are made of', async () => {
    for (let line = 0; line < 100; line++) say('\u0000'.repeat(1_000))
    await keeper.drain()
    expect(asked.flat()).toHaveLength(100)
    for (const note of asked) expect(JSON.stringify(note).length).toBeLessThan(64 * 1024)
  })

  test('that are less important than asked are left out, and secrets in them are not kept', async () => {
    say('details', 'debug')
    say('nats://ada:lovelace@localhost')
    await keeper.drain()
    expect(asked).toEqual([['nats://ada:***@localhost']])
  })

  test('are on their way before the code begins to wait', () => {
    say('before the wait')
    void keeper.port.call('wait', { id: 'sleep-0', kind: 'sleep', forMs: 1 })
    expect(asked).toEqual([['before the wait'], 'wait'])
  })

  test('that come too fast are dropped, and counted where they are missing', async () => {
    const line = 'x'.repeat(7_900)
    for (let count = 0; count < 2_000; count++) {
      say(line)
      if (count % 100 === 0) await clock.advance(0)
    }
    await clock.advance(1_000)
    say('after the flood')
    await keeper.drain()
    const messages = asked.flat()
    const kept = messages.filter((message) => message === line).length
    expect(kept).toBeGreaterThan(500)
    expect(messages.slice(kept)).toEqual([
      `${2_000 - kept} lines dropped: more was said than is kept.`,
      'after the flood',
    ])
  })

  test('that were dropped before they came are counted with the others', async () => {
    keeper.drop(3)
    say('after them')
    await keeper.drain()
    expect(asked).toEqual([['3 lines dropped: more was said than is kept.', 'after them']])
  })

  test('that the log does not take are dropped beyond a bound, and counted', async () => {
    answers = 'never'
    const line = 'x'.repeat(7_900)
    for (let count = 0; count < 1_000; count++) say(line)
    const kept = asked.flat().length
    expect(kept).toBeGreaterThan(400)
    expect(kept).toBeLessThan(600)
    void keeper.drain()
    expect(asked.flat().at(-1)).toMatch(/^4\d\d lines dropped/)
  })

  test('of a run that is cancelled are kept to the end, without waiting for it; of one that leaves otherwise no more', async () => {
    answers = 'never'
    say('working')
    keeper.leave('cancelled')
    say('cleaning up')
    await keeper.drain()
    expect(asked).toEqual([['working'], ['cleaning up']])
    keeper.leave('fenced')
    say('nobody listens')
    await keeper.drain()
    expect(asked).toHaveLength(2)
  })

  test('that are too long are cut, with a mark', () => {
    expect(cutLine('x'.repeat(8_000))).toHaveLength(8_000)
    expect(cutLine('x'.repeat(9_000))).toMatch(/^x{8000}… \(cut: longer than 8000 characters\)$/)
  })
})
