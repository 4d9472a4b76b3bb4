/** The simulation itself: one seed is one history, and the observer sees what must never be. */

import { describe, expect, test } from 'vitest'
import {
  encodeEntry,
  type FlowEvent,
  type RunRecord,
  type Sender,
  type StateTag,
} from '../../src/actors/index.ts'
import type { Cursor, Entry } from '../../src/broker/index.ts'
import { type Scenario, scenarioOf, simulate, smaller } from '../../src/testing/simulation/index.ts'
import { makeLedger } from '../../src/testing/simulation/ledger.ts'
import { makeObserver } from '../../src/testing/simulation/observer.ts'
import { PROGRAM_NAMES, simPolicy } from '../../src/testing/simulation/programs.ts'

const CALM: Scenario = {
  seed: 7,
  machines: 2,
  runs: PROGRAM_NAMES.map((program, i) => ({ program, atMs: i * 20, cuesAtMs: [400, 2_000] })),
  mishaps: [],
  faultRate: 0,
}

const STORMY = Array.from({ length: 200 }, (_, i) => scenarioOf(i + 1)).find(
  ({ mishaps, faultRate }) => faultRate > 0 && mishaps.some(({ kind }) => kind === 'crash'),
)

/** What once went wrong, cut down to what mattered. */
const LESSONS: Readonly<Record<string, Scenario>> = {
  'a partition is taken over again while its old following still hands out': {
    seed: 108_440,
    machines: 1,
    runs: [
      { program: 'chain', atMs: 998, cuesAtMs: [] },
      { program: 'flowRetry', atMs: 282, cuesAtMs: [] },
    ],
    mishaps: [{ kind: 'freeze', atStep: 36, machine: 0, forMs: 22_995 }],
    faultRate: 0.02,
  },
  'a body ends ahead of its start, which a pause had refused, and the resume is only read': {
    seed: 2_005_965,
    machines: 1,
    runs: [
      { program: 'recorded', atMs: 50, cuesAtMs: [] },
      { program: 'held', atMs: 388, cuesAtMs: [1_832, 2_664] },
    ],
    mishaps: [{ kind: 'cut', atStep: 67, machine: 0, forMs: 5_426 }],
    faultRate: 0,
  },
  'the same, among other runs': scenarioOf(2_012_409),
  'the former host of a run hears that a slot is granted before the one that waits for it': {
    seed: 7_900_695,
    machines: 2,
    runs: [
      { program: 'cancelled', atMs: 654, cuesAtMs: [374] },
      { program: 'fan', atMs: 407, cuesAtMs: [] },
      { program: 'limited', atMs: 997, cuesAtMs: [] },
      { program: 'limited', atMs: 113, cuesAtMs: [] },
    ],
    mishaps: [],
    faultRate: 0.02,
  },
}

describe('a simulation', () => {
  test.each(Object.entries(LESSONS))('comes to a right end when %s', async (_, scenario) => {
    expect((await simulate(scenario)).violations).toEqual([])
  })

  test('brings every program to its right end when nothing goes wrong', async () => {
    const { violations, history } = await simulate(CALM)
    expect(violations).toEqual([])
    for (const program of PROGRAM_NAMES)
      expect(history.some((line) => line.endsWith(`created ${program}`))).toBe(true)
  })

  test('of one scenario gives one history, byte for byte, also with crashes and faults', async () => {
    expect.assert(STORMY !== undefined)
    const [first, second] = [await simulate(STORMY), await simulate(STORMY)]
    expect(second.digest).toBe(first.digest)
    expect(second.steps).toBe(first.steps)
    expect(first.history.length).toBeGreaterThan(5)
  })

  test('of another seed gives another order', async () => {
    const other = await simulate({ ...CALM, seed: 8 })
    expect(other.digest).not.toBe((await simulate(CALM)).digest)
  })

  test('goes on when the machine in the middle of a run dies, and repeats no finished task', async () => {
    const { violations, history } = await simulate({
      ...CALM,
      machines: 1,
      runs: [{ program: 'chain', atMs: 0, cuesAtMs: [] }],
      mishaps: [{ kind: 'crash', atStep: 40, machine: 0, forMs: 500 }],
    })
    expect(violations).toEqual([])
    expect(history.join('\n')).toContain('HOST_LOST→SCHEDULED.AwaitingRecovery')
  })

  test('that never comes to an end says which run is stuck, and where', async () => {
    const { violations } = await simulate({
      ...CALM,
      machines: 1,
      runs: [{ program: 'chain', atMs: 0, cuesAtMs: [] }],
      mishaps: [{ kind: 'crash', atStep: 40, machine: 0, forMs: 3_600_000 }],
    })
    expect(violations).toEqual([
      expect.stringMatching(/\(chain\) is stuck in RUNNING\.Running, worker m0, epoch 1/),
    ])
  })

  test('is cut down to smaller ones, one thing less at a time', () => {
    const cuts = smaller({
      ...CALM,
      faultRate: 0.1,
      mishaps: [{ kind: 'cut', atStep: 1, machine: 0, forMs: 5 }],
    })
    expect(cuts).toHaveLength(1 + CALM.runs.length + 1)
  })
})

const BY: Sender = { channel: 'test' }
const RUN = '01jdrdla2os7vfllqtoop6i2hfuh'

function created(): RunRecord {
  return {
    k: 'created',
    at: 0,
    s: 'SCHEDULED.Scheduled',
    flow: 'chain',
    name: 'chain',
    parameters: { v: null },
    tags: [],
    scheduledTime: 0,
    policy: simPolicy('chain'),
    by: BY,
    fx: [],
  }
}

function flow(e: FlowEvent, s: StateTag): RunRecord {
  return { k: 'flow', e, s }
}

function logOf(...entries: { readonly epoch?: number; readonly records: readonly RunRecord[] }[]): Entry[] {
  return entries.map(({ epoch, records }, i) => ({
    subject: RUN,
    rev: i + 1,
    at: i,
    cursor: `c${i}` as Cursor,
    nonce: `n${i}`,
    records: encodeEntry(
      { k: 'head', v: 1, snap: 0, ...(epoch === undefined ? {} : { epoch }) },
      records,
    ).map((text) => JSON.parse(text)),
    tombstone: false,
  }))
}

const CLAIMED = [
  { records: [created()] },
  {
    records: [
      flow({ type: 'CLAIM', at: 1, worker: 'm0' }, 'PENDING.Pending'),
      flow({ type: 'START', at: 1 }, 'RUNNING.Running'),
    ],
  },
] as const

describe('the observer', () => {
  test('has nothing to say of a log that is right', () => {
    const observer = makeObserver()
    observer.take(
      logOf(...CLAIMED, { epoch: 1, records: [flow({ type: 'COMPLETE', at: 2 }, 'COMPLETED.Completed')] }),
    )
    expect(observer.violations).toEqual([])
    expect(observer.runs.get(RUN)?.state.tag).toBe('COMPLETED.Completed')
  })

  test('sees an entry written by a host of an older epoch', () => {
    const observer = makeObserver()
    observer.take(
      logOf(
        ...CLAIMED,
        {
          records: [
            flow({ type: 'HOST_LOST', at: 2, epoch: 1, reason: 'gone' }, 'SCHEDULED.AwaitingRecovery'),
            flow({ type: 'CLAIM', at: 3, worker: 'm1' }, 'PENDING.Pending'),
          ],
        },
        { epoch: 1, records: [flow({ type: 'START', at: 4 }, 'RUNNING.Running')] },
      ),
    )
    expect(observer.violations).toEqual([expect.stringContaining('written by a host of epoch 1')])
  })

  test('sees a gap between revisions', () => {
    const observer = makeObserver()
    const [first, , third] = logOf(...CLAIMED, { records: [] })
    observer.take([first, third].filter((entry) => entry !== undefined))
    expect(observer.violations).toEqual([expect.stringContaining('it follows entry 1')])
  })

  test('sees a state that the charts do not lead to', () => {
    const observer = makeObserver()
    observer.take(logOf(...CLAIMED, { records: [flow({ type: 'COMPLETE', at: 2 }, 'FAILED.Failed')] }))
    expect(observer.violations).toHaveLength(1)
  })

  test('tells the ledger which bodies were done before they were begun again', () => {
    const observer = makeObserver()
    const ledger = makeLedger(observer.known)
    observer.take(
      logOf(...CLAIMED, {
        epoch: 1,
        records: [
          { k: 'task+', id: 'add-0', at: 2, task: 'add', policy: { retries: 0, timeoutMs: null } },
          { k: 'task', id: 'add-0', e: { type: 'START', at: 2 }, s: 'RUNNING.Running' },
          { k: 'task', id: 'add-0', e: { type: 'COMPLETE', at: 3 }, s: 'COMPLETED.Completed' },
        ],
      }),
    )
    ledger.begin({ run: RUN, body: 'add-0', machine: 'm0', epoch: 1 })
    ledger.begin({ run: RUN, body: 'add-1', machine: 'm0', epoch: 1 })
    expect(ledger.starts.map(({ wasCompleted }) => wasCompleted)).toEqual([true, false])
  })

  test('tells how many held a limit at once, without those whose machine is dead', () => {
    const ledger = makeLedger(makeObserver().known)
    ledger.enter('two', 'm0')
    ledger.enter('two', 'm0')
    ledger.bury('m0')
    ledger.enter('two', 'm1')
    ledger.leave('two', 'm1')
    ledger.enter('two', 'm2')
    expect(ledger.most('two')).toBe(2)
  })
})
