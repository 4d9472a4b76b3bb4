import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LineSplitter } from '../../../src/worker/infrastructures/line-splitter.ts'

/** The lines of these pieces. */
function linesOf(pieces: readonly (string | Uint8Array)[]): string[] {
  const lines: string[] = []
  const splitter = new LineSplitter((line) => lines.push(line))
  for (const piece of pieces) {
    if (typeof piece === 'string') splitter.text(piece)
    else splitter.bytes(piece)
  }
  splitter.end()
  return lines
}

describe('what is printed', () => {
  test('comes as lines, however it is cut into pieces', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary' }).map((text) => text.replaceAll(/[\r\n]/g, ''))),
        fc.infiniteStream(fc.integer({ min: 1, max: 7 })),
        (lines, sizes) => {
          const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
          const pieces: Uint8Array[] = []
          for (let at = 0; at < bytes.length; ) {
            const size = sizes.next().value ?? 1
            pieces.push(bytes.subarray(at, at + size))
            at += size
          }
          expect(linesOf(pieces)).toEqual(bytes.toString().split('\n').slice(0, -1))
        },
      ),
    )
  })

  test('keeps empty lines, loses the returns at their ends, and needs no end of the last one', () => {
    expect(linesOf(['one\r\n\nth', 'ree\nfour'])).toEqual(['one', '', 'three', 'four'])
    expect(linesOf(['one\n'])).toEqual(['one'])
    expect(linesOf([])).toEqual([])
  })

  test('is shown with a mark where it is no UTF-8', () => {
    expect(linesOf([Uint8Array.of(0xff, 0x61, 0x0a), Uint8Array.of(0xc3)])).toEqual(['\ufffda', '\ufffd'])
  })

  test('is not held without end when its line does not end', () => {
    const [line] = linesOf([...Array.from({ length: 100 }, () => 'x'.repeat(1_000)), '\n'])
    expect(line).toHaveLength(16_000)
  })
})
