import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Member, quotaOf } from '../../src/scheduler/quota.ts'

const member = (id: string, preferred = true): Member => ({ id, preferred })

test('one member holds everything, also before anybody has heard of it', () => {
  expect(quotaOf(member('a'), [])).toBe(64)
  expect(quotaOf(member('a'), [member('a')])).toBe(64)
})

test('members share alike, rounded up, so that nothing is left over', () => {
  expect(quotaOf(member('a'), [member('b')])).toBe(32)
  expect(quotaOf(member('a'), [member('b'), member('c')])).toBe(22)
})

test('a script holds nothing while there is anybody else, and everything when there is not', () => {
  expect(quotaOf(member('script', false), [member('gateway')])).toBe(0)
  expect(quotaOf(member('gateway'), [member('script', false)])).toBe(64)
  expect(quotaOf(member('script', false), [member('other', false)])).toBe(32)
})

test('whoever is there, the shares together cover all partitions and differ by nobody being left out', () => {
  const members = fc.uniqueArray(fc.record({ id: fc.string(), preferred: fc.boolean() }), {
    selector: ({ id }) => id,
    minLength: 1,
    maxLength: 80,
  })
  fc.assert(
    fc.property(members, (all) => {
      const shares = all.map((self) => quotaOf(self, all))
      expect(shares.reduce((sum, share) => sum + share, 0)).toBeGreaterThanOrEqual(64)
      expect(new Set(shares.filter((share) => share > 0)).size).toBe(1)
    }),
  )
})
