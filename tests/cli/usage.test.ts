/** What is said about how commands are written: help, and what is wrong with them. The program in this process. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeHome } from './support/callboard.ts'
import { say } from './support/in-process.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callboard-usage-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const callboard = (args: readonly string[], variables: Readonly<Record<string, string>> = {}) =>
  say(args, { folder, environment: { CALLBOARD_HOME: folder, ...variables } })

describe('wrong usage', () => {
  test.each([
    [['flow-rum', 'ls'], 'Did you mean flow-run?'],
    [['flow-run', 'inspcet', 'x'], 'Did you mean inspect?'],
    [['flow-run', 'ls', '--limti', '3'], 'Did you mean --limit?'],
    [['flow-run', 'ls', '--limit', 'many'], 'whole number'],
    [['flow-run', 'ls', '--since', 'yesteryear'], 'a number alone is seconds'],
    [['flow-run', 'inspect'], "missing required argument 'run'"],
    [['flow-run', 'resume', 'x', '--input', '{'], 'It is no JSON'],
    [['flow-run', 'resume', 'x', '-p', 'amount'], 'Write it as key=value.'],
    [['worker', 'start', '--infrastructure', 'cloud'], 'Allowed choices are inline, thread, process'],
    [['deployment', 'run', 'weather'], 'write flow/name'],
    [['deploy'], 'Name files, or give --all'],
    [['flow-run', 'cancel'], '--all with a filter'],
    [['flow-run', 'cancel', '--all'], 'Say which runs'],
    [['config', 'set', 'lateAfte=5s'], 'Did you mean lateAfter?'],
    [['config', 'set', 'lateAfter=soon'], 'Allowed is a duration'],
    [['config', 'set', 'lateAfter'], 'write name=value'],
    [['profile', 'use', 'nowhere'], "There is no profile 'nowhere'"],
    [['flow-run', 'ls', '--profile', 'nowhere'], "There is no profile 'nowhere'"],
    [['flow-run', 'ls', '--url', 'gopher://x'], 'url in the options'],
    [['flow-run'], 'Usage: callboard flow-run'],
    [[], 'Usage: callboard'],
  ])('of %j ends with 2 and says what was meant', async (args, said) => {
    const { code, err, out } = await callboard(args)
    expect(err).toContain(said)
    expect([code, out]).toEqual([2, ''])
  })

  test('of a setting names the variable and what is allowed', async () => {
    const { code, err } = await callboard(['config', 'view'], { CALLBOARD_LATE_AFTER: 'soon' })
    expect(code).toBe(2)
    expect(err).toContain("CALLBOARD_LATE_AFTER in the environment is 'soon'. Allowed is a duration")
  })

  test('of the real program ends it with 2', { timeout: 60_000 }, async () => {
    await using home = await makeHome()
    const { code, err } = await home.run('flow-rum', 'ls')
    expect([code, err]).toEqual([2, expect.stringContaining('Did you mean flow-run?')])
  })
})

describe('help', () => {
  test.each([
    [['--help']],
    [['flow-run', '--help']],
    [['flow-run', 'cancel', '--help']],
    [['dev', '--help']],
    [['gcl', 'create', '-h']],
  ])('for %j is on standard output and ends with 0', async (args) => {
    const { code, err, out } = await callboard(args)
    expect(out).toContain('Usage: callboard')
    expect([code, err]).toEqual([0, ''])
  })
})

test('a gateway that is not there is said, with what to start, and ends with 1', async () => {
  const { code, err, out } = await callboard(['flow-run', 'ls', '--url', 'http://127.0.0.1:1'])
  expect([code, out]).toEqual([1, ''])
  expect(err).toContain('The gateway at http://127.0.0.1:1 cannot be reached')
})
