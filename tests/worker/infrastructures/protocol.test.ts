import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Frames } from '../../../src/worker/infrastructures/frames.ts'
import { parseFromCode } from '../../../src/worker/infrastructures/protocol.ts'

const parse = (message: unknown) => parseFromCode(JSON.stringify(message))
const call = (kind: string, input: unknown) => ({ m: 'call', id: 1, kind, in: input })

describe('a message of the code', () => {
  test.each([
    call('task.call', { id: 'a-0', task: 'a', policy: { retries: 0, timeoutMs: null } }),
    call('task.report', { id: 'a-0', attempt: 1, outcome: { is: 'completed', result: { v: 1 } } }),
    call('wait', { id: 'sleep-0', kind: 'sleep', forMs: 5 }),
    call('note', { kind: 'log', data: { lines: [] } }),
    { m: 'line', line: { at: 0, level: 'info', message: 'a', task: 'a-0' } },
    { m: 'log', level: 'warn', message: 'a', facts: {} },
    { m: 'print', to: 'stdout', text: 'a', keep: true, task: { id: 'a-0', name: 'a' } },
    { m: 'dropped', lines: 3 },
    { m: 'ended', outcome: { is: 'failed', message: 'a', retryDelayMs: null } },
  ])('is taken as it is: %j', (message) => {
    expect(parse(message)).toEqual(message)
  })

  test.each([
    null,
    [],
    'text',
    {},
    { m: 'start' },
    { m: 'toString' },
    call('task.call', { id: 'a-0', task: 'a', policy: {} }),
    call('task.report', { id: 'a-0', attempt: 'first', outcome: { is: 'completed' } }),
    call('task.report', { id: 'a-0', attempt: 1, outcome: { is: 'constructor' } }),
    call('hasOwnProperty', {}),
    call('wait', { id: 'x', kind: 'for ever', forMs: null }),
    call('child.start', { id: 'x', flow: 'f', parameters: { v: 1 }, policy: {}, wait: true }),
    { m: 'line', line: { at: 0, level: 'loud', message: 'a' } },
    { m: 'print', to: 'stdin', text: 'a', keep: true },
    { m: 'ended', outcome: { is: 'failed' } },
    { m: 'ended', outcome: { is: 'completed', result: 'bare' } },
  ])('that is none is refused with its text: %j', (message) => {
    expect(() => parse(message)).toThrow(TypeError)
    expect(() => parse(message)).toThrow(JSON.stringify(JSON.stringify(message)).slice(1, -1))
  })

  test('that is no JSON, or long, is refused with the beginning of it', () => {
    expect(() => parseFromCode('hello')).toThrow('"hello", which is not JSON')
    expect(() => parseFromCode('x'.repeat(1_000))).toThrow(/"x{200}…"/)
  })

  test('of any kind never makes the check itself fail', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        try {
          expect(parseFromCode(text)).toBeDefined()
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError)
          expect(String(error)).not.toMatch(/undefined|not a function/)
        }
      }),
    )
  })
})

describe('frames', () => {
  test('are the texts that were written, however they arrive; one that was not finished is none', () => {
    fc.assert(
      fc.property(
        fc.array(fc.json().map((text) => JSON.stringify(text))),
        fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
        (texts, sizes) => {
          const bytes = Buffer.from(`${texts.map((text) => `${text}\n`).join('')}{"m":`)
          const found: string[] = []
          const frames = new Frames((text) => found.push(text))
          for (let at = 0; at < bytes.length; ) {
            const size = sizes.next().value ?? 1
            frames.push(bytes.subarray(at, at + size))
            at += size
          }
          expect(found).toEqual(texts)
        },
      ),
    )
  })
})
