/**
 * The one who sees everything: follows the whole log on a connection without faults, folds every run, and says what
 * must never be. It decides nothing and writes nothing.
 *
 * What it holds the logs to (the promises of `docs/explanation`):
 * (B1) Revisions are dense, every record folds through the charts to the state it names.
 * (B2) An entry of a host carries the epoch of the present claim: nothing of an older host reaches the log.
 * (B3) A result, once in the log, is not replaced unless a retry of the run took it back.
 * (B4) An ended run changes only by a retry.
 * (B5) No host starts a body whose result was in the log when it took the run.
 */

import { decodeEntry, foldEntry, isTerminalTag, type RunRecord, type RunState } from '../../actors/index.ts'
import type { Entry } from '../../broker/index.ts'
import { messageOf } from '../../core/index.ts'

export interface Observer {
  readonly runs: ReadonlyMap<string, RunState>
  readonly violations: string[]
  /** Every entry, one line each: the history. */
  readonly history: readonly string[]
  take(entries: readonly Entry[]): void
  /** What the ledger asks when a body starts. */
  known(run: string, body: string): { readonly wasCompleted: boolean; readonly ownerEpoch: number }
}

export function makeObserver(): Observer {
  const runs = new Map<string, RunState>()
  const broken = new Set<string>()
  const violations: string[] = []
  const history: string[] = []

  function takeOne(entry: Entry): void {
    const { subject, rev } = entry
    if (broken.has(subject)) return
    const wrong = (what: string) => violations.push(`run ${subject}, entry ${rev}: ${what}`)
    const before = runs.get(subject)
    const tagBefore = before?.state.tag
    const epochBefore = before?.flow.context.epoch ?? 0
    const resultsBefore = before === undefined ? undefined : resultsOf(before)
    try {
      const [head, ...records] = decodeEntry(entry)
      history.push(`${subject} ${rev} ${records.map(lineOf).join(' · ')}`)
      if (head?.k === 'head' && head.epoch !== undefined && head.epoch < epochBefore)
        wrong(`written by a host of epoch ${head.epoch}, the run is in epoch ${epochBefore}`) // (B2)
      const after = foldEntry(before, entry) // (B1)
      runs.set(subject, after)
      const isAgain = records.some(
        (record) => record.k === 'flow' && (record.e.type === 'RETRY' || record.e.type === 'FAIL'),
      )
      if (tagBefore !== undefined && isTerminalTag(tagBefore) && after.state.tag !== tagBefore && !isAgain)
        wrong(`it had ended ${tagBefore} and is ${after.state.tag} now`) // (B4)
      if (!isAgain)
        for (const [task, result] of resultsBefore ?? [])
          if (resultsOf(after).get(task) !== result && !isRolledBack(after, task))
            wrong(`the result of ${task} was replaced`) // (B3)
    } catch (error) {
      broken.add(subject)
      wrong(messageOf(error))
    }
  }

  return {
    runs,
    violations,
    history,
    take(entries) {
      for (const entry of entries) takeOne(entry)
    },
    known(run, body) {
      const state = runs.get(run)
      return {
        wasCompleted: state?.tasks.get(body)?.state.tag.startsWith('COMPLETED') ?? false,
        ownerEpoch: state?.flow.context.epoch ?? 0,
      }
    },
  }
}

function resultsOf(state: RunState): ReadonlyMap<string, string> {
  const results = new Map<string, string>()
  for (const [id, task] of state.tasks)
    if (task.state.tag.startsWith('COMPLETED')) results.set(id, JSON.stringify(task.result ?? null))
  return results
}

function isRolledBack(state: RunState, task: string): boolean {
  return state.tasks.get(task)?.state.tag === 'COMPLETED.RolledBack'
}

function lineOf(record: RunRecord): string {
  switch (record.k) {
    case 'flow':
      return `${record.e.type}→${record.s}`
    case 'task':
      return `${record.id}:${record.e.type}→${record.s}`
    case 'created':
      return `created ${record.flow}`
    case 'task+':
    case 'wait':
    case 'wait-':
    case 'child':
    case 'value':
      return `${record.k} ${record.id}`
    default:
      return record.k
  }
}
