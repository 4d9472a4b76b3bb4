import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { brokerQueue, queuePrefix } from '../../src/catalog/index.ts'
import { isToken } from '../../src/core/index.ts'
import { taskQueue } from '../../src/sdk/task-queue.ts'

/** Names that the catalogue accepts, most of them near what could be taken for another. */
const name = fc.oneof(
  { weight: 4, arbitrary: fc.stringMatching(/^[ax][ax_]{0,4}$/) },
  { weight: 2, arbitrary: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/) },
  { weight: 1, arbitrary: fc.stringMatching(/^a{28,34}_{0,2}b?$/) },
  { weight: 1, arbitrary: fc.constantFrom('tasks', 'default', 'x_', 'a__', 'a.b') },
)
const place = fc.record({ pool: name, name })

describe('the broker’s queue of a work queue', () => {
  test.each([
    ['default', 'default', 'default__default'],
    ['big', 'fast-lane', 'big__fast-lane'],
    ['big_ones', 'lane_2', 'big_ones__lane_2'],
  ])('of %s/%s can be read: %s', (pool, queue, expected) => {
    expect(brokerQueue({ pool, name: queue })).toBe(expected)
  })

  test('is a token of the broker, and begins as those of its pool do', () => {
    fc.assert(
      fc.property(place, (one) => {
        const queue = brokerQueue(one)
        expect(isToken(queue)).toBe(true)
        expect(queue.startsWith(queuePrefix(one.pool))).toBe(true)
      }),
    )
  })

  test('is that of no other work queue', () => {
    fc.assert(
      fc.property(place, place, (one, other) => {
        fc.pre(one.pool !== other.pool || one.name !== other.name)
        expect(brokerQueue(one)).not.toBe(brokerQueue(other))
      }),
    )
  })

  test('begins as those of another pool in no case', () => {
    fc.assert(
      fc.property(place, name, (one, pool) => {
        fc.pre(one.pool !== pool)
        expect(brokerQueue(one).startsWith(queuePrefix(pool))).toBe(false)
      }),
    )
  })

  test.each([
    [
      { pool: 'a', name: 'b__c' },
      { pool: 'a__b', name: 'c' },
    ],
    [
      { pool: 'a_', name: 'b' },
      { pool: 'a', name: '_b' },
    ],
    [
      { pool: 'a', name: 'x_' },
      { pool: 'a__x', name: '' },
    ],
    [
      { pool: 'a'.repeat(64), name: 'b' },
      { pool: 'a'.repeat(63), name: 'b' },
    ],
  ])('keeps %j and %j apart', (one, other) => {
    expect(brokerQueue(one)).not.toBe(brokerQueue(other))
    expect(brokerQueue(one).startsWith(queuePrefix(other.pool))).toBe(false)
    expect(brokerQueue(other).startsWith(queuePrefix(one.pool))).toBe(false)
  })

  test('is never one of those where tasks wait for whoever serves them', () => {
    fc.assert(
      fc.property(place, name, (one, task) => {
        expect(brokerQueue(one)).not.toBe(taskQueue(task))
      }),
      { examples: [[{ pool: 'tasks', name: 'default' }, 'default']] },
    )
  })
})
