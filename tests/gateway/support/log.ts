/** Logs of runs as entries, for a read model that is fed by hand. */

import { createdRecord, encodeEntry, type FlowPolicy, type RunRecord } from '../../../src/actors/index.ts'
import type { Cursor, Entry } from '../../../src/broker/index.ts'
import { silentLogger } from '../../../src/core/index.ts'
import { IN_MEMORY, ReadModel } from '../../../src/gateway/read-model/index.ts'

export const POLICY: FlowPolicy = {
  retries: 0,
  maxRecoveries: 3,
  onCrash: 'recover',
  graceMs: 30_000,
  timeoutMs: null,
  lateAfterMs: 15_000,
  target: { queue: 'default', priority: 1 },
  limits: [],
}

export const AT = Date.UTC(2026, 0, 2, 3, 4, 5)

export type Created = Partial<Parameters<typeof createdRecord>[0]>

/** The log of a cluster, of which each entry is made where it is needed. */
export class TestLog {
  readonly entries: Entry[] = []
  readonly #revs = new Map<string, number>()

  add(run: string, records: readonly RunRecord[], more: Partial<Entry> = {}): Entry {
    const rev = (this.#revs.get(run) ?? 0) + 1
    this.#revs.set(run, rev)
    const entry: Entry = {
      subject: run,
      rev,
      at: AT,
      cursor: String(this.entries.length + 1) as Cursor,
      nonce: `n${this.entries.length}`,
      tombstone: false,
      records: encodeEntry({ k: 'head', v: 1, snap: 0 }, records).map((text) => JSON.parse(text)),
      ...more,
    }
    this.entries.push(entry)
    return entry
  }

  create(run: string, more: Created = {}): Entry {
    const created = createdRecord({
      ...{ at: AT, flow: 'weather', name: 'noisy-otter', parameters: { v: { city: 'Rome' } } },
      ...{ policy: POLICY, by: { channel: 'cli' } },
      ...more,
    })
    return this.add(run, [created])
  }

  /** Claimed and begun. */
  start(run: string, at = AT + 1_000): Entry {
    return this.add(run, [
      { k: 'flow', e: { type: 'CLAIM', at, worker: 'w1' }, s: 'PENDING.Pending' },
      { k: 'flow', e: { type: 'START', at }, s: 'RUNNING.Running' },
    ])
  }

  complete(run: string, at = AT + 5_000): Entry {
    return this.add(run, [
      { k: 'flow', e: { type: 'COMPLETE', at, result: { v: 'sunny' } }, s: 'COMPLETED.Completed' },
    ])
  }

  fail(run: string, at = AT + 5_000): Entry {
    const failure = { name: 'Error', message: 'no network' }
    return this.add(run, [
      {
        k: 'flow',
        e: { type: 'FAIL', at, message: 'no network', failure, retryDelayMs: null },
        s: 'FAILED.Failed',
      },
    ])
  }

  task(run: string, key: string, at = AT + 2_000): Entry {
    return this.add(run, [
      {
        k: 'task+',
        id: key,
        at,
        task: key.replace(/-\d+$/, ''),
        policy: { retries: 0, timeoutMs: null },
        tags: ['net'],
      },
      { k: 'task', id: key, e: { type: 'START', at }, s: 'RUNNING.Running' },
      {
        k: 'task',
        id: key,
        e: { type: 'COMPLETE', at: at + 250, result: { v: 1 } },
        s: 'COMPLETED.Completed',
      },
    ])
  }

  say(run: string, ...lines: readonly { level?: string; message: string; task?: string }[]): Entry {
    const said = lines.map((line, index) => ({ at: AT + 3_000 + index, level: 'info', ...line }))
    return this.add(run, [{ k: 'note', at: AT + 3_000, kind: 'log', data: { lines: said } }])
  }

  note(run: string, kind: string, data: Record<string, string | number>, task?: string): Entry {
    return this.add(run, [{ k: 'note', at: AT + 4_000, kind, data, ...(task === undefined ? {} : { task }) }])
  }

  archive(run: string): Entry {
    return this.add(
      run,
      [{ k: 'tombstone', at: AT + 9_000, s: 'COMPLETED.Completed', by: { channel: 'scheduler' } }],
      { tombstone: true },
    )
  }
}

export function openModel(place: string = IN_MEMORY, broker = 'memory:test'): ReadModel {
  return new ReadModel({ place, broker, logger: silentLogger })
}

/** A read model of all that stands in this log. */
export function modelOf(log: TestLog): ReadModel {
  const model = openModel()
  model.apply(log.entries)
  return model
}

/** An id as runs have them: those made later sort later. */
export function runId(number: number): string {
  return `0run${String(number).padStart(24, '0')}`
}
