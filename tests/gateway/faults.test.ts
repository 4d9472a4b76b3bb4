/** What is wrong with something that was sent: each wrong place once, with the name that was probably meant. */

import fc from 'fast-check'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { describe, expect, test } from 'vitest'
import { FlowRunQuery, SubscribeFrame } from '../../src/api/index.ts'
import { faultsOf } from '../../src/gateway/http/index.ts'

const RUN = '01abcdefghjkmnpqrstvwxyz'
const checker = Compile(SubscribeFrame)

/** `path message` of each fault of a frame with these fields. */
function said(fields: object): string[] {
  return faultsOf(SubscribeFrame, { op: 'subscribe', id: 1, ...fields }).map(
    ({ message, path }) => `${path} ${message}`,
  )
}

describe('a mistyped subscribe frame is told', () => {
  test.each<[object, string[]]>([
    [{ to: { run: RUN }, knids: ['state'] }, ['knids is not known. Did you mean kinds?']],
    [{ too: { run: RUN } }, ['too is not known. Did you mean to?']],
    [{}, ['to is missing']],
    [{ to: 'x' }, ['to must be object']],
    [{ to: {} }, ['to is empty; give one of run, runs, workers, events']],
    [{ to: { rnu: RUN } }, ['to.rnu is not known. Did you mean run?']],
    [{ to: { wrokers: {} } }, ['to.wrokers is not known. Did you mean workers?']],
    [{ to: { colour: 'red' } }, ['to.colour is not known']],
    [{ to: { run: RUN, runs: {} } }, ['to has run and runs; give one of them']],
    [{ to: { run: RUN, level: 'INFO' } }, ['to.level is not known']],
    [{ to: { run: 'no id' } }, ['to.run must match pattern "^[A-Za-z0-9_-]{1,64}$"']],
    [{ to: { runs: null } }, ['to.runs must be object']],
    [{ to: { runs: { flwo: 'x' } } }, ['to.runs.flwo is not known. Did you mean flow?']],
    [{ to: { runs: { flow: 3 } } }, ['to.runs.flow must be string']],
    [{ to: { runs: { tag: ['a', 3] } } }, ['to.runs.tag.1 must be string']],
    [{ to: { runs: { state: [] } } }, ['to.runs.state must not have fewer than 1 items']],
    [{ to: { workers: { pool: 'big' } } }, ['to.workers.pool is not known']],
    [
      { to: { events: { run: 7, evnet: 'x' } } },
      ['to.events.run must be string', 'to.events.evnet is not known. Did you mean event?'],
    ],
    [
      { to: { run: RUN }, kinds: ['sttae'] },
      ['kinds.0 is not one of state, task, log, artifact, event. Did you mean state?'],
    ],
    [{ to: { run: RUN }, kinds: ['log', 'log'] }, ['kinds must not have duplicate items']],
    [
      { to: { run: RUN }, after: '', extra: 1 },
      ['after must not have fewer than 1 characters', 'extra is not known'],
    ],
  ])('%j', (fields, faults) => {
    expect(said(fields)).toEqual(faults)
  })

  test('once for each wrong place, whatever else is in it', () => {
    const text = fc.constantFrom('weather', 'prod', '')
    const odd = fc.oneof(fc.constant(null), fc.integer(), text, fc.array(text), fc.dictionary(text, text))
    const filter = fc.dictionary(fc.constantFrom('flow', 'flwo', 'tag', 'since', 'state', 'colour'), odd)
    const to = fc.dictionary(
      fc.constantFrom('run', 'runs', 'rnus', 'workers', 'events', '__proto__'),
      fc.oneof(filter, odd),
    )
    const frame = fc.record(
      {
        op: fc.constant('subscribe'),
        id: fc.constant(1),
        to: fc.oneof(to, odd),
        kinds: fc.oneof(fc.array(fc.constantFrom('state', 'log', 'lgo')), odd),
        level: odd,
      },
      { requiredKeys: ['op'] },
    )
    fc.assert(
      fc.property(frame, (value) => {
        if (checker.Check(value)) return
        const faults = faultsOf(SubscribeFrame, value)
        expect(faults).not.toEqual([])
        expect(new Set(faults.map(({ path }) => path)).size).toBe(faults.length)
      }),
      { numRuns: 500 },
    )
  })

  test('with the right name of each field that is a slip, and of no other', () => {
    const names = ['flow', 'deployment', 'parent', 'worker', 'queue'] as const
    fc.assert(
      fc.property(fc.subarray([...names], { minLength: 1 }), (slips) => {
        const fields = names.map((name) => [slips.includes(name) ? `${name}x` : name, 'x'])
        expect(said({ to: { runs: Object.fromEntries(fields) } })).toEqual(
          slips.map((name) => `to.runs.${name}x is not known. Did you mean ${name}?`),
        )
      }),
    )
  })
})

test('a query is told of its slips in the same words', () => {
  expect(faultsOf(FlowRunQuery, { stat: 'RUNNING', sort: 'created', limit: 201 })).toEqual([
    { path: 'stat', message: 'is not known. Did you mean state?' },
    {
      path: 'sort',
      message: 'is not one of created:desc, created:asc, start:desc, start:asc, name:asc',
    },
    { path: 'limit', message: 'must be <= 200' },
  ])
})

test('faults are told up to fifty, however many there are', () => {
  const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`field${index}`, 1]))
  expect(faultsOf(Type.Object({}, { additionalProperties: false }), many)).toHaveLength(50)
})
