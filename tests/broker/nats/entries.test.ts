import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeEntry,
  encodeEntry,
  marksAfter,
  ORIGIN,
  revOfMark,
  SPANS,
  type Tip,
} from '../../../src/broker/nats/entries.ts'
import { codeOf } from './fixture.ts'

const message = (text: string, seq = 1) => ({ subject: 'cb.1.log.00.run', seq, at: 0, text })

describe('an entry', () => {
  test('is plain JSON that says what it is', () => {
    const text = encodeEntry(7, 'n', [3], '[{"a":1},"b"]', false)
    expect(JSON.parse(text)).toEqual({ v: 1, rev: 7, nonce: 'n', marks: [3], records: [{ a: 1 }, 'b'] })
    expect(JSON.parse(encodeEntry(8, 'n', [], '[]', true))).toEqual({
      v: 1,
      rev: 8,
      nonce: 'n',
      tombstone: true,
      records: [],
    })
  })

  test('is read back as it was written', () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue()),
        fc.array(fc.nat(), { maxLength: 3 }),
        fc.boolean(),
        (records, marks, tombstone) => {
          const texts = records.map((record) => JSON.stringify(record))
          const {
            tip,
            nonce,
            records: read,
          } = decodeEntry(message(encodeEntry(3, 'xyz', marks, `[${texts.join(',')}]`, tombstone), 9))
          expect({ tip, nonce }).toEqual({ tip: { rev: 3, seq: 9, marks, tombstone }, nonce: 'xyz' })
          expect(JSON.stringify(read)).toBe(`[${texts.join(',')}]`)
        },
      ),
    )
  })

  test('of a newer format is refused as such', () => {
    const decode = () => decodeEntry(message('{"v":2,"whatever":true}'))
    expect(decode).toThrow(/format 2.*reads up to 1/)
  })

  test.each([
    '',
    '{',
    '7',
    '[]',
    '{}',
    '{"v":1}',
    '{"v":1,"rev":1,"nonce":"n"}',
    '{"v":1,"rev":1,"nonce":"n","records":[],"marks":["x"]}',
  ])('that is none is called damaged, not misread: %s', (text) => {
    try {
      decodeEntry(message(text, 42))
      expect.unreachable()
    } catch (error) {
      expect(codeOf(error)).toBe('CB_E_STORE_DAMAGED')
      expect(String(error)).toMatch(/cb\.1\.log\.00\.run.*42/)
    }
  })
})

describe('marks', () => {
  /** A subject whose entry with revision r stands at sequence 10 r, as its writers would write it. */
  function write(count: number): Tip[] {
    const tips: Tip[] = [ORIGIN]
    for (let rev = 1; rev <= count; rev++)
      tips.push({ rev, seq: rev * 10, marks: marksAfter(tips[rev - 1] ?? ORIGIN), tombstone: false })
    return tips
  }
  const tips = write(10_000)

  test('are not there on short subjects', () => {
    for (const { marks } of tips.slice(0, SPANS[0] + 1)) expect(marks).toEqual([])
  })

  test('point to the newest older entry at a multiple of their span', () => {
    for (const tip of tips.slice(1))
      for (const [k] of SPANS.entries()) expect(tip.marks[k] ?? 0).toBe(revOfMark(tip.rev, k) * 10)
  })
})
