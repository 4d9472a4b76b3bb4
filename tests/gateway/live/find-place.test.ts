import { expect, test } from 'vitest'
import { memoryBroker, memoryPlace } from '../../../src/broker/embedded/index.ts'
import { mintId, systemDeps } from '../../../src/core/index.ts'
import { cursorAfter, placeOf } from '../../../src/gateway/live/cursors.ts'
import { findPlace } from '../../../src/gateway/live/find-place.ts'

const deps = systemDeps()

test('a cursor of the whole log finds its place in each run’s own log', async () => {
  const broker = memoryBroker(memoryPlace(), deps)
  await broker.start()
  const runs = [mintId(deps), mintId(deps), mintId(deps)]
  const revs = new Map<string, number>()
  const cursors: string[] = []
  /** By cursor: how far each run was then. */
  const then: ReadonlyMap<string, number>[] = []
  // In no regular order, the first one most often.
  for (let n = 0; n < 60; n++) {
    const run = runs[n % 7 === 0 ? 1 : n % 11 === 3 ? 2 : 0] ?? ''
    const expected = revs.get(run) ?? 0
    const outcome = await broker.log.append(run, ['{}'], { expect: expected })
    if (outcome.outcome !== 'appended') throw new Error('It was not appended.')
    revs.set(run, outcome.rev)
    cursors.push(outcome.cursor)
    then.push(new Map(revs))
  }
  for (const run of runs) {
    const newest = await broker.log.last(run)
    if (newest === undefined) throw new Error('There is no such run.')
    for (const [index, cursor] of cursors.entries()) {
      const place = await findPlace(broker.log, newest, placeOf(cursor))
      expect(place).toEqual({ rev: then[index]?.get(run) ?? 0, seen: 0 })
    }
    const inside = placeOf(cursorAfter(newest, 3, 9))
    expect(await findPlace(broker.log, newest, inside)).toEqual({ rev: newest.rev - 1, seen: 4 })
  }
  await broker.stop()
})
