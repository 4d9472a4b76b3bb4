/** What every infrastructure does, the same way. */

import { describe, expect, test } from 'vitest'
import { infrastructureStage, type Kind, resultOf } from './stage.ts'

const KINDS: readonly Kind[] = ['inline', 'thread', 'process']

describe.each(KINDS)('code in: %s', { timeout: 60_000 }, (kind) => {
  test('gives its result, and completes', async () => {
    await using stage = await infrastructureStage(kind)
    const { state } = await stage.end(await stage.start('flows.ts:sum', { numbers: [1, 2, 3] }))
    expect([state.flow.tag, resultOf({ state })]).toEqual(['COMPLETED.Completed', 12])
  })

  test('is the default export when none is named', async () => {
    await using stage = await infrastructureStage(kind)
    const { state } = await stage.end(await stage.start('flows.ts'))
    expect(resultOf({ state })).toBe('by default')
  })

  test('without a deployment is its own flow, of what the code of its caller loads', async () => {
    await using stage = await infrastructureStage(kind, { plan: { entrypoint: 'flows.ts:failing' } })
    const { state } = await stage.end(await stage.startFlow('sum', { numbers: [5] }))
    expect(resultOf({ state })).toBe(10)
    const other = await stage.end(await stage.startFlow('not-there'))
    expect(other.state.state.message).toMatch(/no flow 'not-there' in what 'flows\.ts:failing' loads/)
  })

  test('calls another flow, which is a run of its own', async () => {
    await using stage = await infrastructureStage(kind, { plan: { entrypoint: 'flows.ts:nesting' } })
    const ended = await stage.end(await stage.startFlow('nesting'))
    expect(resultOf(ended)).toBe(7)
    expect([...ended.state.children.values()].map(({ flow }) => flow)).toEqual(['sum'])
  })

  test('fails with the error that it throws', async () => {
    await using stage = await infrastructureStage(kind)
    const { state } = await stage.end(await stage.start('flows.ts:failing'))
    expect([state.flow.tag, state.failure?.name, state.failure?.message]).toEqual([
      'FAILED.Failed',
      'TypeError',
      'bad weather',
    ])
  })

  test('is tried again, the flow and its tasks', async () => {
    await using stage = await infrastructureStage(kind)
    const { state } = await stage.end(await stage.start('flows.ts:retried', null, { retries: 1 }))
    expect([state.flow.tag, resultOf({ state })]).toEqual(['COMPLETED.Completed', [2, 2]])
  })

  test('is told to leave when it takes too long', async () => {
    await using stage = await infrastructureStage(kind)
    const run = await stage.start('flows.ts:endless', null, { timeoutMs: 1_500 })
    expect((await stage.end(run)).state.flow.tag).toBe('FAILED.TimedOut')
  })

  test('waits in its place while paused, and goes on there with what it was resumed with', async () => {
    await using stage = await infrastructureStage(kind)
    const run = await stage.start('flows.ts:paused')
    await stage.untilState(run, 'Paused')
    await stage.signal(run, 'resume', { value: true })
    const { state } = await stage.end(run)
    expect(resultOf({ state })).toMatchObject({ approved: true })
  })

  test('leaves when suspended, with its lines kept, and runs again when resumed', async () => {
    await using stage = await infrastructureStage(kind)
    const run = await stage.start('flows.ts:suspended')
    await stage.untilState(run, 'Suspended')
    await stage.untilLine(run, 'about to leave')
    await stage.signal(run, 'resume')
    const { lines, state } = await stage.end(run)
    expect(resultOf({ state })).toBe(42)
    expect(lines).toContain('info flow: here again')
  })

  test('stops by itself when it is cancelled; its hooks run, and what it says to its end is kept', async () => {
    await using stage = await infrastructureStage(kind)
    const run = await stage.start('flows.ts:cooperative')
    await stage.untilLine(run, 'working')
    expect((await stage.signal(run, 'cancel')).outcome).toBe('accepted')
    const { last, lines } = await stage.end(run)
    expect([last.s, last.e]).toEqual([
      'CANCELLED.Cancelled',
      expect.not.objectContaining({ abandoned: true }),
    ])
    expect(lines).toEqual(expect.arrayContaining(['info patient-0: stopping', 'info flow: cleaned up']))
  })

  test('may ask for much at once, and hand over much', async () => {
    await using stage = await infrastructureStage(kind)
    const { state } = await stage.end(await stage.start('flows.ts:parallel'))
    expect(resultOf({ state })).toEqual([39_800, 200_000])
  })

  test.each([
    ['nowhere.ts:sum', /There is no file .*nowhere\.ts/],
    ['flows.ts:sums', /has no export 'sums'\. It exports the flows .*'sum'.* Did you mean 'sum'\?/],
    ['throws.ts:any', /throws\.ts could not be loaded: SyntaxError: this file is broken/],
    ['lacks.ts:any', /lacks\.ts could not be loaded: .*a-package-that-is-not-installed/],
    ['flows.ts:noFlow', /The export 'noFlow' of .* is no flow/],
    ['dying.ts', /exports several flows: .*'killed'.*\. Name one of them: .*dying\.ts:/],
  ])('that cannot be found by %s crashes the run, which says why', async (entrypoint, reason) => {
    await using stage = await infrastructureStage(kind)
    const { state } = await stage.end(await stage.start(entrypoint))
    expect(state.flow.tag).toBe('CRASHED.Crashed')
    expect(state.state.message).toMatch(reason)
    expect(state.state.message).toMatch(/^The code could not be started: /)
  })
})
