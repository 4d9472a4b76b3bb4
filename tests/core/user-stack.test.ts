import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { traceOf, userStack } from '../../src/core/user-stack.ts'

const OURS = join(import.meta.dirname, '../../src/sdk/task-call.ts')

describe('the stack that a user is shown', () => {
  test("has the frames of the user's code, and none of the package or of Node", () => {
    const stack = [
      'Error: bad luck',
      '  over two lines',
      '    at pick (file:///home/ada/flows.ts:3:129)',
      `    at #value (${pathToFileURL(OURS).href}:218:34)`,
      `    at async #attempt (${OURS}:188:44)`,
      '    at AsyncLocalStorage.run (node:internal/async_local_storage/async_context_frame:65:14)',
      '    at async file:///home/ada/flows.ts:9:3',
    ].join('\n')
    expect(userStack(stack)).toBe(
      [
        'Error: bad luck',
        '  over two lines',
        '    at pick (file:///home/ada/flows.ts:3:129)',
        '    at async file:///home/ada/flows.ts:9:3',
      ].join('\n'),
    )
  })

  test('is whole when the user has no part in it', () => {
    const stack = `Error: ours\n    at #value (${OURS}:218:34)\n    at node:internal/timers:5:1`
    expect(userStack(stack)).toBe(stack)
  })

  test('goes on with that of its cause, and ends also when an error is its own', () => {
    const inner = new Error('inner')
    const outer = new Error('outer', { cause: inner })
    expect(traceOf(outer)).toMatch(/^Error: outer\n +at [\s\S]*\ncaused by: Error: inner\n +at /)
    inner.cause = inner
    expect(traceOf(outer).match(/caused by/g)).toHaveLength(4)
  })

  test('is the message when there is no frame', () => {
    expect(userStack('Error: bare')).toBe('Error: bare')
  })
})
