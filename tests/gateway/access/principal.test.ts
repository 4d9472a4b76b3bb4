import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RunFilter } from '../../../src/api/index.ts'
import { brokerQueue } from '../../../src/catalog/index.ts'
import {
  demand,
  demandRun,
  demandUnbound,
  mayTouch,
  narrowed,
  type Principal,
  senderOf,
} from '../../../src/gateway/access/index.ts'
import { SharedEvent } from '../../../src/gateway/live/shared-event.ts'
import { runSieve } from '../../../src/gateway/live/sieve.ts'

type Key = Extract<Principal, { is: 'key' }>

const keyFor = (only: Key['only'], scopes: Key['scopes'] = ['read']): Key => ({
  is: 'key',
  name: 'a-key',
  scopes,
  only,
  expiresAt: undefined,
})

const at = '2026-01-01T00:00:00Z'
const state = { type: 'RUNNING', name: 'Running', timestamp: at, details: {} } as const
const EVENT = new SharedEvent('a', { kind: 'state', at, data: { state } }, 'c')

const RUN = {
  id: 'run-1',
  flow: 'weather',
  tags: ['prod', 'eu'],
  queue: brokerQueue({ pool: 'gpu', name: 'fast' }),
}

describe('a key', () => {
  test.each([
    [{}, true],
    [{ flow: 'weather' }, true],
    [{ flow: 'billing' }, false],
    [{ tag: 'eu' }, true],
    [{ tag: 'us' }, false],
    [{ pool: 'gpu' }, true],
    [{ pool: 'gp' }, false],
    [{ pool: 'default' }, false],
    [{ flow: 'weather', tag: 'prod', pool: 'gpu' }, true],
    [{ flow: 'weather', tag: 'us' }, false],
  ] as const)('bound to %j has to do with a run of that flow, tag and pool only', (only, may) => {
    const principal = keyFor(only)
    expect(mayTouch(principal, RUN)).toBe(may)
    if (may) demandRun(principal, RUN.id, RUN)
    else
      expect(() => demandRun(principal, RUN.id, RUN)).toThrow(
        expect.objectContaining({ code: 'CB_E_RUN_MISSING' }),
      )
  })

  test('may what its scopes say, and everything with admin', () => {
    expect(() => demand(keyFor({}, ['read']), 'signal')).toThrow(
      expect.objectContaining({ code: 'CB_E_FORBIDDEN' }),
    )
    for (const scope of ['read', 'signal', 'run', 'admin'] as const) demand(keyFor({}, ['admin']), scope)
    demandUnbound(keyFor({}, ['read']))
    expect(() => demandUnbound(keyFor({ tag: 'eu' }))).toThrow(
      expect.objectContaining({ code: 'CB_E_FORBIDDEN' }),
    )
  })

  test('bound to anything is told nothing of a run that nobody here knows', () => {
    expect(() => demandRun(keyFor({ flow: 'weather' }), 'unknown', undefined)).toThrow(
      expect.objectContaining({ code: 'CB_E_RUN_MISSING' }),
    )
    demandRun(keyFor({}), 'unknown', undefined)
  })

  test('is who sent it, in the words of the run’s log', () => {
    expect(senderOf(keyFor({}), 'api', '10.0.0.1')).toEqual({
      channel: 'api',
      address: '10.0.0.1',
      principal: 'a-key',
    })
    expect(senderOf({ is: 'anybody' }, 'socket', '::1')).toEqual({ channel: 'socket', address: '::1' })
  })
})

describe('a narrowed filter', () => {
  const names = fc.constantFrom('a', 'b', 'c')
  const some = fc.option(fc.oneof(names, fc.array(names, { minLength: 1, maxLength: 3 })), { nil: undefined })
  const runs = fc.record({
    id: names,
    flow: names,
    tags: fc.uniqueArray(names),
    queue: fc.constant('default__default'),
  })
  const only = fc.record({ flow: names, tag: names }, { requiredKeys: [] })

  test('finds exactly the runs that the filter means and that are theirs', () => {
    fc.assert(
      fc.property(some, some, some, only, fc.boolean(), runs, (flow, tag, id, bound, isToken, run) => {
        const principal: Principal = isToken
          ? { is: 'run-token', run: bound.flow ?? 'a', scopes: ['read'], expiresAt: 1, issuer: undefined }
          : keyFor(bound)
        const filter = {
          ...(flow === undefined ? {} : { flow }),
          ...(tag === undefined ? {} : { tag }),
          ...(id === undefined ? {} : { id }),
        }
        const facts = { ...run, name: run.id, expectedStartTime: '2026-01-01T00:00:00Z' }
        const isMeant = (by: RunFilter) =>
          runSieve(by, () => true, '').pass([EVENT], { facts, before: undefined }).length > 0
        const narrow = narrowed(principal, filter)
        expect(narrow !== undefined && isMeant(narrow)).toBe(isMeant(filter) && mayTouch(principal, run))
      }),
    )
  })
})
