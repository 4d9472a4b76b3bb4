/** What runs print and log, from wherever: in their logs, in order, and not without end. */

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { infrastructureStage, type Kind, resultOf, untilGone } from './stage.ts'

const APART: readonly Kind[] = ['thread', 'process']
const PATIENCE = { timeout: 60_000 }

describe.each(APART)('what code in a %s prints', PATIENCE, (kind) => {
  test('is in its log in order, by line and by the run that printed it, whatever way it took', async () => {
    await using stage = await infrastructureStage(kind)
    const { lines } = await stage.end(await stage.start('printing.ts:everyWay'))
    expect(lines.filter((line) => !line.includes('Finished in state'))).toEqual([
      'info flow: one',
      'warn flow: two',
      'info flow: three',
      'info flow: four',
      'warn flow: five',
      'info flow: six \u{1f3ad}',
      'info flow: seven \ufffd',
      'info flow: eight\nand more',
      'info named-0: of the task',
      'info named-0: also of the task',
      'info flow: the end',
    ])
    expect(stage.logged).toEqual(expect.arrayContaining(['one', 'for the terminal', 'this too']))
  })

  test('is cut where a line is too long', async () => {
    await using stage = await infrastructureStage(kind)
    const { lines } = await stage.end(await stage.start('printing.ts:long'))
    expect(lines[0]).toMatch(/^info flow: y{8000}… \(cut: longer than 8000 characters\)$/)
    expect(lines[1]).toBe('info flow: short')
  })

  test('without end is dropped beyond a rate, which is told, and the code goes on', async () => {
    await using stage = await infrastructureStage(kind)
    const { lines, state } = await stage.end(await stage.start('printing.ts:flooding'))
    expect(state.flow.tag).toBe('COMPLETED.Completed')
    const told = lines.filter((line) => / lines dropped/.test(line))
    const dropped = told.reduce((sum, line) => sum + Number(/(\d+) lines dropped/.exec(line)?.[1]), 0)
    const kept = lines.filter((line) => /^info flow: x{1000}$/.test(line)).length
    expect(dropped).toBeGreaterThan(0)
    expect(kept + dropped).toBeGreaterThanOrEqual(30_000)
    expect(kept + dropped).toBeLessThanOrEqual(30_002)
  })
})

test(
  'what a run does not wait for at its end is done all the same, if it does not take long',
  PATIENCE,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'callboard-hasty-'))
    await using stage = await infrastructureStage('process')
    const ended = await stage.end(await stage.start('printing.ts:hasty', join(folder, 'file')))
    await untilGone(Number(resultOf(ended)))
    expect(await readFile(join(folder, 'file'), 'utf8')).toBe('written')
    await rm(folder, { recursive: true })
  },
)

describe('what programs print that code in a process has started', PATIENCE, () => {
  test('is in its log too', async () => {
    await using stage = await infrastructureStage('process')
    const { lines } = await stage.end(await stage.start('printing.ts:programs'))
    expect(lines).toEqual(expect.arrayContaining(['info flow: from a program', 'warn flow: and its errors']))
  })
})

describe('what code inline prints', PATIENCE, () => {
  test('with console.log is in its log', async () => {
    await using stage = await infrastructureStage('inline')
    const { lines } = await stage.end(await stage.start('printing.ts:everyWay'))
    expect(lines).toEqual(
      expect.arrayContaining(['info flow: one', 'warn flow: two', 'info named-0: of the task']),
    )
    expect(lines.join()).not.toContain('for the terminal')
  })
})
