/** Code that does not stop, and code that dies: ended by force, and told as what it was. */

import { describe, expect, test } from 'vitest'
import { type Ended, infrastructureStage, isAlive, type Kind, type Stage, untilGone } from './stage.ts'

const APART: readonly Kind[] = ['thread', 'process']
const PATIENCE = { timeout: 60_000 }

const detailsOf = ({ last }: Ended) => (last.e.type === 'CRASH' ? last.e.details : undefined)

async function endOf(stage: Stage, entrypoint: string): Promise<Ended> {
  const ended = await stage.end(await stage.start(entrypoint))
  expect(ended.state.flow.tag).toBe('CRASHED.Crashed')
  return ended
}

describe.each(APART)('code in a %s', PATIENCE, (kind) => {
  test('that never yields is ended by force when it is cancelled, and nothing of it is left', async () => {
    await using stage = await infrastructureStage(kind)
    const run = await stage.start('flows.ts:busy', null, { graceMs: 300 })
    await stage.untilLine(run, 'busy')
    expect((await stage.signal(run, 'cancel')).outcome).toBe('accepted')
    const { last } = await stage.end(run)
    expect(last).toMatchObject({ s: 'CANCELLED.Cancelled', e: { type: 'CANCELLED' } })
    expect(last.e).not.toHaveProperty('abandoned')
  })

  test('[prefect 51] that exits is told with its exit code and its last words', async () => {
    await using stage = await infrastructureStage(kind)
    const ended = await endOf(stage, 'dying.ts:exits')
    expect(ended.state.state.message).toBe(
      `The ${kind} ended with exit code 3 and no result: process.exit(3) was called.`,
    )
    expect(detailsOf(ended)).toMatchObject({ infrastructure: kind, code: 3, stderr: ['leaving early'] })
    expect(ended.lines).toEqual(['warn flow: leaving early'])
  })

  test('that exits as if all were well has no result all the same', async () => {
    await using stage = await infrastructureStage(kind)
    const { state } = await endOf(stage, 'dying.ts:exitsWell')
    expect(state.state.message).toMatch(/exit code 0 and no result: process\.exit\(\) was called before/)
  })

  test('that takes more memory than it may is told so', async () => {
    await using stage = await infrastructureStage(kind, { plan: { memoryMb: 64 } })
    const ended = await endOf(stage, 'dying.ts:hoards')
    expect(ended.state.state.message).toBe(
      `The ${kind} ran out of memory: the JavaScript heap reached its limit of 64 MiB. Keep less at once, or give its deployment more (memoryMb).`,
    )
  })

  test.each([
    ['rejects', /a promise that nothing handled was rejected: RangeError: nobody listens$/],
    ['throwsLater', /nothing caught an error: RangeError: nobody catches$/],
  ])('that lets an error go (%s) is told with it', async (name, reason) => {
    await using stage = await infrastructureStage(kind)
    const ended = await endOf(stage, `dying.ts:${name}`)
    expect(ended.state.state.message).toMatch(reason)
    expect(ended.lines[0]).toMatch(/^warn flow: RangeError: nobody/)
    expect(ended.lines[1]).toMatch(/dying\.ts/)
    expect(ended.lines.at(-1)).toBe('info flow: crash hook')
  })

  test('dies alone: the next run of the same worker does well', async () => {
    await using stage = await infrastructureStage(kind)
    await endOf(stage, 'dying.ts:exits')
    const { state } = await stage.end(await stage.start('flows.ts:sum', { numbers: [1] }))
    expect(state.flow.tag).toBe('COMPLETED.Completed')
  })
})

test(
  'a thread in a call of native code cannot be ended: its run is cancelled all the same, and says so',
  PATIENCE,
  async () => {
    await using stage = await infrastructureStage('thread')
    const run = await stage.start('dying.ts:blocked', null, { graceMs: 100 })
    await stage.untilLine(run, 'blocked')
    await stage.signal(run, 'cancel')
    expect((await stage.end(run)).last).toMatchObject({ s: 'CANCELLED.Cancelled', e: { abandoned: true } })
  },
)

describe('code in a process', PATIENCE, () => {
  test('that is killed is told so, with all that it said before', async () => {
    await using stage = await infrastructureStage('process')
    const ended = await endOf(stage, 'dying.ts:killed')
    expect(ended.state.state.message).toBe(
      'The process was killed (SIGKILL): by the system as memory ran out, or by somebody.',
    )
    expect(detailsOf(ended)).toMatchObject({ infrastructure: 'process', signal: 'SIGKILL' })
    expect(ended.lines).toEqual(['info flow: last words'])
  })

  test('that aborts is told so, with the line that it had not finished', async () => {
    await using stage = await infrastructureStage('process')
    const ended = await endOf(stage, 'dying.ts:aborts')
    expect(ended.state.state.message).toMatch(/^The process aborted \(SIGABRT\)/)
    expect(ended.lines).toContain('info flow: half a line')
  })

  test('[prefect 55] that somebody else asks to end is told so; its crash hooks run, those of a cancellation do not', async () => {
    await using stage = await infrastructureStage('process')
    const run = await stage.start('dying.ts:waits')
    const pid = Number((await stage.untilLine(run, 'pid ')).replace(/^.*pid /, ''))
    process.kill(pid, 'SIGTERM')
    const { lines, state } = await stage.end(run)
    expect(lines.slice(1)).toEqual(['info flow: crash hook'])
    expect(state.state.message).toBe(
      'The process was told to end (SIGTERM), by something other than its worker.',
    )
  })

  test('goes on when whatever asked it to end asked its worker too', async () => {
    await using stage = await infrastructureStage('process', { isStopping: () => true })
    const run = await stage.start('dying.ts:deaf')
    process.kill(Number((await stage.untilLine(run, 'pid ')).replace(/^.*pid /, '')), 'SIGTERM')
    expect((await stage.end(run)).state.flow.tag).toBe('COMPLETED.Completed')
  })

  test('takes along what it has started, when it is cancelled', async () => {
    await using stage = await infrastructureStage('process')
    const run = await stage.start('dying.ts:parent', null, { graceMs: 300 })
    const [, child, parent] = /child (\d+) of (\d+)/.exec(await stage.untilLine(run, 'child ')) ?? []
    expect([child, parent].map(Number).map(isAlive)).toEqual([true, true])
    await stage.signal(run, 'cancel')
    await stage.end(run)
    await untilGone(Number(child))
    await untilGone(Number(parent))
  })

  test('that writes to its channel what is no message crashes, and its worker does not', async () => {
    await using stage = await infrastructureStage('process')
    const { state } = await endOf(stage, 'dying.ts:meddles')
    expect(state.state.message).toMatch(
      /^The code sent its worker something that is no message: "\{\\"m\\":\\"call\\"/,
    )
    const next = await stage.end(await stage.start('flows.ts:sum', { numbers: [1] }))
    expect(next.state.flow.tag).toBe('COMPLETED.Completed')
  })
})
