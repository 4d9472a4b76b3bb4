/**
 * A suite that cannot fail says nothing. Each mutant is the memory driver with one deliberate bug; at least one of
 * the cases named for it must fail, and the same case must pass without the bug.
 */

import { describe, expect, it } from 'vitest'
import type { Broker, Claimed, Entry, KvChange, Log } from '../../src/broker/index.ts'
import { isCallboardError, type JsonValue, systemClock } from '../../src/core/index.ts'
import { type ConformanceDriver, conformanceCases, runCase } from '../../src/testing/index.ts'
import { memoryDriver } from '../support/memory-driver.ts'

/** The same broker with some parts replaced. */
function withParts(broker: Broker, parts: Partial<Broker>): Broker {
  return new Proxy(broker, {
    get: (target, key) => Reflect.get(Object.hasOwn(parts, key) ? parts : target, key),
  })
}

const withLog = (broker: Broker, log: Partial<Log>) => withParts(broker, { log: { ...broker.log, ...log } })
const withQueue = (broker: Broker, queue: Partial<Broker['queue']>) =>
  withParts(broker, { queue: { ...broker.queue, ...queue } })
const withBus = (broker: Broker, bus: Partial<Broker['bus']>) =>
  withParts(broker, { bus: { ...broker.bus, ...bus } })
const withObjects = (broker: Broker, objects: Partial<Broker['objects']>) =>
  withParts(broker, { objects: { ...broker.objects, ...objects } })

type Bucket = Awaited<ReturnType<Broker['kv']['bucket']>>
const withBucket = (broker: Broker, change: (bucket: Bucket) => Partial<Bucket>) =>
  withParts(broker, {
    kv: {
      async bucket(name, options) {
        const bucket = await broker.kv.bucket(name, options)
        return { ...bucket, ...change(bucket) }
      },
    },
  })

/** Follows with another handler made of the given one. */
const withHandler = (
  broker: Broker,
  change: (handler: (batch: readonly Entry[]) => void | Promise<void>) => typeof handler,
) => withLog(broker, { follow: (filter, from, handler) => broker.log.follow(filter, from, change(handler)) })

/** Claims with other items made of what came. */
const withClaimed = (broker: Broker, change: (claimed: Claimed) => Claimed) =>
  withQueue(broker, {
    claim: async (queues, max, signal) => (await broker.queue.claim(queues, max, signal)).map(change),
  })

let made = 0

interface Mutant {
  /** The cases that are there to catch it. */
  readonly caughtBy: RegExp
  readonly mutate: (broker: Broker) => Broker
}

const MUTANTS: Readonly<Record<string, Mutant>> = {
  'accepts an append whatever revision it expects': {
    caughtBy: /not the newest any more/,
    mutate: (broker) =>
      withLog(broker, {
        async append(subject, records, options) {
          const expect = (await broker.log.last(subject))?.rev ?? 0
          return broker.log.append(subject, records, { ...options, expect })
        },
      }),
  },
  'looks and then writes, instead of comparing and setting': {
    caughtBy: /two writers on one revision|thirty-two writers|sixteen who create/,
    mutate: (broker) =>
      withLog(broker, {
        async append(subject, records, options) {
          const newest = (await broker.log.last(subject))?.rev ?? 0
          if (newest !== options.expect) return { outcome: 'conflict', rev: newest }
          for (let expect = newest; ; expect++) {
            const outcome = await broker.log.append(subject, records, { ...options, expect })
            if (outcome.outcome === 'appended') return outcome
          }
        },
      }),
  },
  'forgets the nonce of an append': {
    caughtBy: /repeated with its nonce|lost answer/,
    mutate: (broker) =>
      withLog(broker, {
        append: (subject, records, { expect }) =>
          broker.log.append(subject, records, { expect, nonce: `forgotten-${made++}` }),
      }),
  },
  'takes a known nonce for the same append, whatever the revision': {
    caughtBy: /nonce on another revision/,
    mutate(broker) {
      const known = new Map<string, Awaited<ReturnType<Log['append']>>>()
      return withLog(broker, {
        async append(subject, records, options) {
          const key = `${subject}/${options.nonce ?? `made-${made++}`}`
          const outcome = known.get(key) ?? (await broker.log.append(subject, records, options))
          known.set(key, outcome)
          return outcome
        },
      })
    },
  },
  'writes the part of a batch that fits': {
    caughtBy: /record over the limit is refused/,
    mutate: (broker) =>
      withLog(broker, {
        async append(subject, records, options) {
          try {
            return await broker.log.append(subject, records, options)
          } catch (error) {
            if (isCallboardError(error, 'CB_E_PAYLOAD_TOO_LARGE'))
              await broker.log.append(subject, records.slice(0, 1), options)
            throw error
          }
        },
      }),
  },
  'reads from the beginning, whatever it is asked': {
    caughtBy: /reading from a revision/,
    mutate: (broker) => withLog(broker, { read: (subject) => broker.log.read(subject) }),
  },
  'leaves the last entry out of a read': {
    caughtBy: /long subject is read whole|dense revisions/,
    mutate: (broker) =>
      withLog(broker, {
        async *read(subject, options) {
          let held: Entry | undefined
          for await (const entry of broker.log.read(subject, options)) {
            if (held) yield held
            held = entry
          }
        },
      }),
  },
  'drops the last entry of a batch that is followed': {
    caughtBy: /from the start, a follower/,
    mutate: (broker) =>
      withHandler(broker, (handler) => (batch) => handler(batch.length > 1 ? batch.slice(0, -1) : batch)),
  },
  'hands a followed batch over twice': {
    caughtBy: /from the start, a follower/,
    mutate: (broker) =>
      withHandler(broker, (handler) => async (batch) => {
        await handler(batch)
        await handler(batch)
      }),
  },
  'swaps the entries of a followed batch': {
    caughtBy: /long backlog comes whole/,
    mutate: (broker) => withHandler(broker, (handler) => (batch) => handler([...batch].reverse())),
  },
  'does not wait for the handler of a following': {
    caughtBy: /never has two calls running|held back, and none is lost/,
    mutate: (broker) =>
      withHandler(broker, (handler) => (batch) => {
        void Promise.resolve(handler(batch)).catch(() => {})
      }),
  },
  'goes on when the handler of a following throws': {
    caughtBy: /handler that throws ends its following/,
    mutate: (broker) =>
      withHandler(broker, (handler) => async (batch) => {
        try {
          await handler(batch)
        } catch {
          // The bug: the error goes nowhere.
        }
      }),
  },
  'follows all partitions, whatever it is asked': {
    caughtBy: /follower of one partition/,
    mutate: (broker) =>
      withLog(broker, {
        follow: (_, from, handler) => broker.log.follow({ partitions: 'all' }, from, handler),
      }),
  },
  'forgets the cursor that a following starts from': {
    caughtBy: /from a cursor, a follower goes on/,
    mutate: (broker) =>
      withLog(broker, {
        follow: (filter, from, handler) =>
          broker.log.follow(filter, from === 'tail' ? 'tail' : 'start', handler),
      }),
  },
  'misses what is appended between follow and its first look': {
    caughtBy: /never missed from the tail/,
    mutate: (broker) =>
      withLog(broker, {
        async follow(filter, from, handler) {
          if (from !== 'tail') return broker.log.follow(filter, from, handler)
          let skipped = false
          return broker.log.follow(filter, from, (batch) => {
            if (skipped) return handler(batch)
            skipped = true
          })
        },
      }),
  },
  'archives without a tombstone': {
    caughtBy: /leaves a tombstone|never comes back to life/,
    mutate: (broker) => withLog(broker, { archive: broker.log.append }),
  },
  'lets an archived subject come back to life': {
    caughtBy: /never comes back to life/,
    mutate: (broker) =>
      withLog(broker, {
        async append(subject, records, options) {
          const outcome = await broker.log.append(subject, records, options)
          if (outcome.outcome !== 'conflict' || !(await broker.log.last(subject))?.tombstone) return outcome
          return { outcome: 'appended', rev: 1, cursor: await broker.log.end() }
        },
      }),
  },
  'forgets the ids of items': {
    caughtBy: /enqueued twice with one id/,
    mutate: (broker) =>
      withQueue(
        withClaimed(broker, (claimed) => ({ ...claimed, id: claimed.id.replace(/#\d+$/, '') })),
        {
          enqueue: (queue, item, options) =>
            broker.queue.enqueue(queue, item, { ...options, id: `${options.id}#${made++}` }),
        },
      ),
  },
  'gives an item to two claimers': {
    caughtBy: /exactly once|never hold the same item/,
    mutate(broker) {
      const copies: Claimed[] = []
      return withQueue(broker, {
        async claim(queues, max, signal) {
          const copy = copies.shift()
          if (copy) return [copy]
          const got = await broker.queue.claim(queues, max, signal)
          copies.push(...got)
          return got
        },
      })
    },
  },
  'has no priorities': {
    caughtBy: /priorities are strict/,
    mutate: (broker) =>
      withQueue(broker, { enqueue: (queue, item, { id }) => broker.queue.enqueue(queue, item, { id }) }),
  },
  'serves the queues in another order': {
    caughtBy: /queues named earlier are served first/,
    mutate: (broker) =>
      withQueue(broker, {
        claim: (queues, max, signal) => broker.queue.claim([...queues].reverse(), max, signal),
      }),
  },
  'gives more items than were asked for': {
    caughtBy: /at most what was asked for/,
    mutate: (broker) =>
      withQueue(broker, { claim: (queues, max, signal) => broker.queue.claim(queues, max + 1, signal) }),
  },
  'answers a claim before the item is held': {
    caughtBy: /is woken by any|waits and gets what comes/,
    mutate: (broker) =>
      withQueue(broker, {
        claim: (queues, max, signal) =>
          broker.queue.claim(queues, max, AbortSignal.any([signal, AbortSignal.timeout(1)])),
      }),
  },
  'ignores the signal of a claim': {
    caughtBy: /whose signal/,
    mutate: (broker) =>
      withQueue(broker, {
        claim: (queues, max) => broker.queue.claim(queues, max, new AbortController().signal),
      }),
  },
  'does not acknowledge': {
    caughtBy: /acknowledged item never comes again/,
    mutate: (broker) => withClaimed(broker, (claimed) => ({ ...claimed, ack: async () => {} })),
  },
  'does not give back': {
    caughtBy: /given back is there for another at once/,
    mutate: (broker) => withClaimed(broker, (claimed) => ({ ...claimed, release: async () => {} })),
  },
  'calls every delivery the first': {
    caughtBy: /each delivery is counted/,
    mutate: (broker) => withClaimed(broker, (claimed) => ({ ...claimed, delivery: 1 })),
  },
  'hands a message over twice': {
    caughtBy: /reaches every subscription/,
    mutate: (broker) =>
      withBus(broker, {
        subscribe: (pattern, handler) =>
          broker.bus.subscribe(pattern, (message) => {
            handler(message)
            return handler(message)
          }),
      }),
  },
  'lets messages overtake each other': {
    caughtBy: /in the order of its calls/,
    mutate: (broker) =>
      withBus(broker, {
        async publish(subject, value) {
          if (Number(value) % 5 === 0) await new Promise<void>((resolve) => systemClock.defer(resolve))
          await broker.bus.publish(subject, value)
        },
      }),
  },
  'takes * for any number of tokens': {
    caughtBy: /patterns match whole tokens/,
    mutate: (broker) =>
      withBus(broker, {
        subscribe: (pattern, handler) => broker.bus.subscribe(pattern.replace(/\*$/, '>'), handler),
      }),
  },
  'waits for the time-out where nobody listens': {
    caughtBy: /where nobody listens, that is said at once/,
    mutate: (broker) =>
      withBus(broker, {
        async request(subject, value, options) {
          const outcome = await broker.bus.request(subject, value, options)
          return outcome.outcome === 'nobody-home' ? { outcome: 'timeout' } : outcome
        },
      }),
  },
  'answers for a handler that throws': {
    caughtBy: /handler that throws or rejects answers nothing/,
    mutate: (broker) =>
      withBus(broker, {
        subscribe: (pattern, handler) =>
          broker.bus.subscribe(pattern, async (message): Promise<JsonValue | undefined> => {
            try {
              return await handler(message)
            } catch {
              return null
            }
          }),
      }),
  },
  'calls a subscription one message at a time': {
    caughtBy: /handler that is busy|handler that never ends/,
    mutate: (broker) =>
      withBus(broker, {
        subscribe(pattern, handler) {
          let last: Promise<JsonValue | undefined> = Promise.resolve(undefined)
          return broker.bus.subscribe(pattern, (message) => {
            last = last.then(() => handler(message))
            return last
          })
        },
      }),
  },
  'creates a key that is there': {
    caughtBy: /create writes a key that is not there|twenty who create/,
    mutate: (broker) => withBucket(broker, (bucket) => ({ create: bucket.put })),
  },
  'updates a key on any revision': {
    caughtBy: /update writes on top/,
    mutate: (broker) => withBucket(broker, (bucket) => ({ update: (key, value) => bucket.put(key, value) })),
  },
  'deletes a key on any revision': {
    caughtBy: /delete on a revision/,
    mutate: (broker) => withBucket(broker, (bucket) => ({ delete: (key) => bucket.delete(key) })),
  },
  'takes a prefix for text': {
    caughtBy: /prefix of whole tokens/,
    mutate: (broker) =>
      withBucket(broker, (bucket) => ({
        async *list(prefix = '') {
          for await (const entry of bucket.list()) if (entry.key.startsWith(prefix)) yield entry
        },
      })),
  },
  'keeps keys for ever': {
    caughtBy: /with a time to live expires/,
    mutate: (broker) => withParts(broker, { kv: { bucket: (name) => broker.kv.bucket(name, { ttlMs: 0 }) } }),
  },
  'tells a watcher of puts only': {
    caughtBy: /tells the state, then has caught up|watch tells that a key has expired/,
    mutate: (broker) =>
      withBucket(broker, (bucket) => ({
        watch: (prefix, handler) =>
          bucket.watch(prefix, (change: KvChange) => {
            if (change.kind === 'put') handler(change)
          }),
      })),
  },
  'starts the revisions of a key anew after it was deleted': {
    caughtBy: /grows with every write, also past a deletion/,
    mutate: (broker) =>
      withBucket(broker, (bucket) => ({
        create: async (key, value) => (await bucket.create(key, value)) && 1,
      })),
  },
  'keeps the half of an object whose data threw': {
    caughtBy: /data throws leaves nothing behind/,
    mutate: (broker) =>
      withObjects(broker, {
        async put(key, data) {
          const chunks: Uint8Array[] = []
          try {
            if (data instanceof Uint8Array) chunks.push(data)
            else for await (const chunk of data) chunks.push(chunk.slice())
            return await broker.objects.put(key, Buffer.concat(chunks))
          } catch (error) {
            await broker.objects.put(key, Buffer.concat(chunks))
            throw error
          }
        },
      }),
  },
  'loses the last byte of a large object': {
    caughtBy: /objects of any size/,
    mutate: (broker) =>
      withObjects(broker, {
        async get(key) {
          const found = await broker.objects.get(key)
          if (!found || found.bytes <= 65_536) return found
          const data = Buffer.concat(await Array.fromAsync(found.data)).subarray(0, -1)
          return {
            ...found,
            data: (async function* () {
              yield data
            })(),
          }
        },
      }),
  },
  'works before it was started and after it was stopped': {
    caughtBy: /before start every call is refused|after stop every call is refused/,
    mutate: (broker) => withLog(broker, { end: () => broker.log.end().catch(() => JSON.parse('"0"')) }),
  },
  'starts again after it was stopped': {
    caughtBy: /keep the contract of everything with a life/,
    mutate: (broker) => withParts(broker, { start: () => broker.start().catch(() => {}) }),
  },
}

const PATIENCE_MS = 3_000

function mutated(mutate: (broker: Broker) => Broker): ConformanceDriver {
  return {
    ...memoryDriver,
    patienceMs: PATIENCE_MS,
    async place() {
      const place = await memoryDriver.place()
      return { ...place, open: (options) => mutate(place.open(options)) }
    },
  }
}

describe('the conformance suite catches a driver that', () => {
  for (const [what, { caughtBy, mutate }] of Object.entries(MUTANTS))
    it(`${what}`, { timeout: 60_000 }, async () => {
      const cases = conformanceCases.filter((one) => caughtBy.test(one.name))
      const failed: string[] = []
      for (const one of cases) {
        const failure = await runCase(mutated(mutate), one).then(
          () => undefined,
          (error: unknown) => error,
        )
        if (failure) failed.push(one.name)
        await runCase({ ...memoryDriver, patienceMs: 20_000 }, one)
      }
      expect(failed, `none of ${cases.length} cases matching ${caughtBy} failed`).not.toEqual([])
    })
})
