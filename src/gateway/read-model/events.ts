/**
 * What an entry of a run's log says to whoever looks on, in the words of the wire. Of the entry alone: the same entry
 * always says the same, on every gateway and at any time. What was before is not known here: now and then an entry says
 * once more that the run is where it has been.
 */

import {
  beginRun,
  type CreatedRecord,
  decodeEntry,
  type FlowRecord,
  type InputRequest,
  type NoteRecord,
  type PoisonRecord,
  parseTag,
  type RunRecord,
  type Sender,
  type TaskCreatedRecord,
  type WaitRecord,
} from '../../actors/index.ts'
import type {
  Artifact,
  FlowRun,
  LiveKind,
  LogLevel,
  LogLine,
  RunEvent,
  RunStateChange,
  StateView,
  TaskRun,
  TaskStateChange,
} from '../../api/index.ts'
import type { Entry } from '../../broker/index.ts'
import { isJsonObject, type JsonValue } from '../../core/index.ts'
import { iso, stateView, withInput } from './states.ts'
import { flowRunOf, runIdentity, shownParameters, taskIdentity } from './views.ts'

interface DataOf {
  readonly state: RunStateChange
  readonly task: TaskStateChange
  readonly log: LogLine
  readonly artifact: Artifact
  readonly event: RunEvent
}

/** Something that happened to a run. */
export type Happening = {
  [Kind in LiveKind]: { readonly kind: Kind; readonly at: string; readonly data: DataOf[Kind] }
}[LiveKind]

/** The kinds of notes that have a place of their own. */
const LINES = 'log'
const ARTIFACT = 'artifact'
export const PROGRESS = 'progress'

/**
 * What an entry says, in order; of an archived run, nothing.
 *
 * @throws as `decodeEntry`
 */
export function eventsOf(entry: Entry): readonly Happening[] {
  if (entry.tombstone) return []
  const { subject: run, rev } = entry
  const said: Happening[] = []
  let line = 0
  const records = decodeEntry(entry)
  for (const [index, record] of records.entries()) {
    if (record.k === 'note' && record.kind === LINES) {
      for (const one of linesOf(run, rev, line, record)) {
        said.push({ kind: 'log', at: one.timestamp, data: one })
        line++
      }
      continue
    }
    const happening = happeningOf(run, rev, index, records)
    if (happening !== undefined) said.push(happening)
  }
  return said
}

function happeningOf(
  run: string,
  rev: number,
  index: number,
  records: readonly RunRecord[],
): Happening | undefined {
  const record = records[index]
  switch (record?.k) {
    case 'created':
      return stateChange({ state: firstState(record), created: newRun(run, rev, record) })
    case 'flow':
      return entersState(record)
        ? stateChange({
            state: withInput(stateView(record.e, record.s, ownMessage(record)), record.e, (wait) =>
              inputIn(records, wait),
            ),
            ...(beginsAgain(record) ? { again: true } : {}),
            ...(record.e.type === 'CLAIM' ? { worker: record.e.worker } : {}),
          })
        : eventChange(signalEvent(run, rev, index, record))
    case 'task+': {
      const created = newTask(run, record)
      return { kind: 'task', at: created.createdAt, data: { key: record.id, state: created.state, created } }
    }
    case 'task':
      return taskChange({ key: record.id, state: stateView(record.e, record.s) })
    case 'tasks':
      return taskChange({ state: stateView(record.e, record.s) })
    case 'note':
      return record.kind === ARTIFACT
        ? artifactChange(artifactOf(run, rev, index, record))
        : eventChange(noteEvent(run, rev, index, record))
    case 'poison':
      return eventChange(poisonEvent(run, rev, index, record))
    default:
      return undefined
  }
}

const stateChange = (data: RunStateChange): Happening => ({ kind: 'state', at: data.state.timestamp, data })
const taskChange = (data: TaskStateChange): Happening => ({ kind: 'task', at: data.state.timestamp, data })
const artifactChange = (data: Artifact): Happening => ({ kind: 'artifact', at: data.timestamp, data })
const eventChange = (data: RunEvent | undefined): Happening | undefined =>
  data && { kind: 'event', at: data.timestamp, data }

// ───────────────────────────────────────────────────────────────────────────── runs

export function firstState({ at, s }: CreatedRecord): StateView {
  return { ...parseTag(s), timestamp: iso(at), details: {} }
}

function newRun(run: string, rev: number, record: CreatedRecord): FlowRun {
  const { flow } = beginRun(run, record, { rev, at: record.at })
  return flowRunOf(
    { ...runIdentity(run, record), ...shownParameters(record) },
    {
      state: firstState(record),
      context: flow.context,
      taskRuns: {},
      rev,
    },
  )
}

export function newTask(run: string, record: TaskCreatedRecord): TaskRun {
  return {
    ...taskIdentity(run, record),
    state: { type: 'PENDING', name: 'Pending', timestamp: iso(record.at), details: {} },
    runCount: 0,
    totalRunMs: 0,
  }
}

/** Whether the event led somewhere, as far as it says itself: some are only taken note of. */
function entersState({ e, s }: FlowRecord): boolean {
  switch (e.type) {
    case 'QUIESCED':
    case 'TIMER.start':
      return false
    case 'SIGNAL':
      return s === 'SCHEDULED.Resuming'
    case 'RESUME':
      return s === 'SCHEDULED.Resuming' || !(s.startsWith('SCHEDULED.') || s.startsWith('PENDING.'))
    case 'HOST_LOST':
    case 'RELEASE':
      return s !== 'PAUSED.Suspended'
    default:
      return true
  }
}

/** Whether the run is tried again, by signal or by its own policy: task runs that did not complete are superseded. */
export function beginsAgain({ e, s }: FlowRecord): boolean {
  if (e.type === 'RETRY') return true
  if (e.type === 'FAIL') return !s.startsWith('FAILED.')
  return e.type === 'TIMER.timeout' && s.startsWith('RUNNING.')
}

/** What a wait asks for; a pause stands in one entry with its wait. */
function inputIn(records: readonly RunRecord[], wait: string): InputRequest | undefined {
  return records.find((record): record is WaitRecord => record.k === 'wait' && record.id === wait)?.input
}

/** What can be said without knowing what was before. */
function ownMessage({ e, s }: FlowRecord): string | undefined {
  if (e.type === 'HOST_LOST' && !s.startsWith('CANCELLED.')) return `The worker was lost: ${e.reason}`
  if (s.startsWith('CANCELLED.')) return ('message' in e ? e.message : undefined) ?? 'Run cancelled.'
  return undefined
}

// ───────────────────────────────────────────────────────────────────────────── events

/** The id of something in the log of a run. */
export function idOf(run: string, rev: number, index: number): string {
  return `${run}.${rev}.${index}`
}

/** A signal as an event of its own, for those that may lead nowhere: it is kept, or the run goes on later. */
export function signalEvent(
  run: string,
  rev: number,
  index: number,
  { e }: FlowRecord,
): RunEvent | undefined {
  if (e.type !== 'SIGNAL' && e.type !== 'RESUME') return undefined
  const payload = e.type === 'SIGNAL' ? e.payload : e.input
  return {
    id: idOf(run, rev, index),
    event: e.type === 'SIGNAL' ? `signal.${e.name}` : 'signal.resume',
    run,
    timestamp: iso(e.at),
    by: e.by,
    data: payload !== undefined && 'v' in payload ? { payload: payload.v } : {},
  }
}

export function noteEvent(run: string, rev: number, index: number, note: NoteRecord): RunEvent {
  return {
    id: idOf(run, rev, index),
    event: note.kind,
    run,
    ...taskOf(note),
    timestamp: iso(note.at),
    data: note.data,
  }
}

export function poisonEvent(run: string, rev: number, index: number, record: PoisonRecord): RunEvent {
  return {
    id: idOf(run, rev, index),
    event: 'poisoned',
    run,
    ...taskOf(record),
    timestamp: iso(record.at),
    data: { event: record.event, error: record.error },
  }
}

export function artifactOf(run: string, rev: number, index: number, note: NoteRecord): Artifact {
  const { key, kind, ...data } = note.data
  return {
    id: idOf(run, rev, index),
    run,
    ...taskOf(note),
    ...(typeof key === 'string' ? { key } : {}),
    kind: typeof kind === 'string' ? kind : 'artifact',
    timestamp: iso(note.at),
    data,
  }
}

function taskOf({ task }: { readonly task?: string }): { readonly task?: string } {
  return task === undefined ? {} : { task }
}

// ───────────────────────────────────────────────────────────────────────────── lines

const LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error']

export function isLines({ kind }: NoteRecord): boolean {
  return kind === LINES
}

export function isArtifact({ kind }: NoteRecord): boolean {
  return kind === ARTIFACT
}

/** The lines of a note; `first` is the number of the first one within its entry. */
export function linesOf(run: string, rev: number, first: number, { at, data }: NoteRecord): LogLine[] {
  const { lines } = data
  if (!Array.isArray(lines)) return []
  return lines.map((line, index) => lineOf(`${rev}.${first + index}`, run, at, line))
}

function lineOf(id: string, run: string, saidAt: number, line: JsonValue): LogLine {
  const { at, level, message, task } = isJsonObject(line) ? line : {}
  return {
    id,
    run,
    ...(typeof task === 'string' ? { task } : {}),
    timestamp: iso(typeof at === 'number' ? at : saidAt),
    level: LEVELS.find((known) => known === level) ?? 'info',
    message: typeof message === 'string' ? message : '',
  }
}

/** Who a transition is owed to, when that is somebody. */
export function senderIn({ e }: FlowRecord): Sender | undefined {
  return 'by' in e ? e.by : undefined
}
