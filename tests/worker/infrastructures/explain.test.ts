import { describe, expect, test } from 'vitest'
import type { Exit } from '../../../src/worker/infrastructures/carrier.ts'
import { explainExit } from '../../../src/worker/infrastructures/explain.ts'

const explained = (exit: Exit, stderr: readonly string[] = [], memoryMb?: number) =>
  explainExit({ kind: 'process', exit, stderr, memoryMb })

describe('the end of code without a result', () => {
  test.each<[Exit, string]>([
    [{ is: 'signal', signal: 'SIGKILL' }, 'was killed (SIGKILL)'],
    [{ is: 'code', code: 137 }, 'was killed (SIGKILL)'],
    [{ is: 'signal', signal: 'SIGSEGV' }, 'touched memory that is not its own'],
    [{ is: 'code', code: 139 }, 'touched memory that is not its own'],
    [{ is: 'signal', signal: 'SIGABRT' }, 'process.abort() was called'],
    [{ is: 'code', code: 143 }, 'was told to end (SIGTERM), by something other than its worker'],
    [{ is: 'signal', signal: 'SIGUSR2' }, 'was ended by SIGUSR2'],
    [{ is: 'code', code: 1 }, 'exit code 1 and no result'],
    [{ is: 'code', code: 9 }, 'did not accept an option'],
    [{ is: 'code', code: 13 }, 'a top-level await never settled'],
    [{ is: 'code', code: 77 }, 'process.exit(77) was called'],
    [{ is: 'code', code: 200 }, 'process.exit(200) was called'],
    [{ is: 'error', error: new RangeError('no more') }, 'an error that nothing caught: no more'],
  ])('%o is told in words', (exit, part) => {
    expect(explained(exit)).toContain(part)
    expect(explained(exit)).toMatch(/^The process .*[a-z)0-9.]$/)
  })

  test('for want of memory is told apart from another abort by what Node says', () => {
    const said = ['FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory']
    expect(explained({ is: 'signal', signal: 'SIGABRT' }, said, 128)).toContain('its limit of 128 MiB')
    expect(explained({ is: 'code', code: 134 }, said)).toContain('the JavaScript heap reached its limit.')
    expect(explained({ is: 'code', code: 1 }, said)).not.toContain('memory')
  })

  test('over a module that is missing names the module', () => {
    const said = ["Error: Cannot find module 'left-pad'", 'Require stack:']
    expect(explained({ is: 'code', code: 1 }, said)).toContain("'left-pad' is not installed")
  })
})
