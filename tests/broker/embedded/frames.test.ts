import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeFrame, type Frame, frameReader, type Head } from '../../../src/broker/embedded/bus/frames.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const number = fc.nat()
const head: fc.Arbitrary<Head> = fc.oneof(
  fc.record({ is: fc.constant('hello'), protocol: number, id: text, socket: text }),
  fc.record({ is: fc.constant('welcome') }),
  fc.record({ is: fc.constant('message'), subject: text }),
  fc.record({ is: fc.constant('question'), number, subject: text }),
  fc.record({ is: fc.constant('answer'), number }),
  fc.record({ is: fc.constant('nobody'), number }),
)
const frame: fc.Arbitrary<Frame> = fc.record({ head, body: fc.json() })

describe('frames', () => {
  test('come out as they went in, however the bytes were cut', () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 10 }),
        fc.array(fc.integer({ min: 1, max: 50 })),
        (frames, cuts) => {
          const bytes = Buffer.concat(frames.map(({ head, body }) => encodeFrame(head, body)))
          const read: Frame[] = []
          const reader = frameReader((frame) => read.push(frame))
          let from = 0
          for (const cut of cuts) {
            if (from < bytes.length) reader(bytes.subarray(from, from + cut))
            from += cut
          }
          if (from < bytes.length) reader(bytes.subarray(from))
          expect(read).toEqual(frames)
        },
      ),
    )
  })

  test.each([
    ['a length beyond the limit', Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ['a head that is not JSON', Buffer.concat([Buffer.from([0, 0, 0, 3]), Buffer.from('{a\n')])],
    ['a head without an end', Buffer.concat([Buffer.from([0, 0, 0, 2]), Buffer.from('{}')])],
    ['a head of no known kind', Buffer.concat([Buffer.from([0, 0, 0, 14]), Buffer.from('{"is":"other"}')])],
  ])('are refused when there is %s', (_, bytes) => {
    expect(() => frameReader(() => {})(bytes)).toThrow(/cut off/)
  })
})
