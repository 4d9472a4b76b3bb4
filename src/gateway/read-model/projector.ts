/**
 * From entries of the log to rows. Works on records one after the other; flow runs go through their chart, because what
 * a run takes next is asked of it; task runs, of which there are many, need only what stands in their records.
 *
 * Invariants
 * (J1) An entry is applied once: a run's row knows the revision it has come to, and what is not above it is passed by.
 * (J2) Nothing here throws for what an entry says. One that cannot be read is left out and told of; a transition that
 *      this version's chart does not take moves the row to where the record says it led.
 * (J3) Nothing is kept in memory between transactions: a million runs that wait cost nothing but their rows.
 */

import type { DatabaseSync } from 'node:sqlite'
import {
  beginRun,
  type ChartSnapshot,
  type CreatedRecord,
  decodeEntry,
  type FlowContext,
  type FlowRecord,
  flowChart,
  flowMessage,
  isTerminalTag,
  type NoteRecord,
  type RunRecord,
  type TaskCreatedRecord,
  type TaskRecord,
  taskMessage,
} from '../../actors/index.ts'
import type { LogLevel, RunEvent, Sender, StateView } from '../../api/index.ts'
import type { Entry, Rev } from '../../broker/index.ts'
import type { Logger } from '../../core/index.ts'
import {
  artifactOf,
  beginsAgain,
  firstState,
  isArtifact,
  isLines,
  linesOf,
  newTask,
  noteEvent,
  PROGRESS,
  poisonEvent,
  senderIn,
  signalEvent,
} from './events.ts'
import { count, Rows, type RunRow, type TaskRow } from './rows.ts'
import { command } from './sql.ts'
import { stateView, withInput } from './states.ts'
import { runIdentity, tagIn, taskIdentity } from './views.ts'

/** What an event is about, as it is stored. */
export const EVENT_KINDS = { run: 0, task: 1, other: 2 } as const
export const LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error']

/** Room for what stands within one entry, in a position. */
export const PLACES = 65_536

/** Where a record stands. `lines`: how many lines came before it in its entry. */
interface Place {
  readonly rev: Rev
  readonly index: number
  lines: number
}

export class Projector {
  readonly #rows: Rows
  readonly #logger: Logger
  readonly #addEvent: ReturnType<typeof command>
  readonly #addLine: ReturnType<typeof command>
  readonly #addWords: ReturnType<typeof command>
  readonly #addArtifact: ReturnType<typeof command>
  /** Records applied since it was made. */
  records = 0
  /** Entries left out because they could not be read. */
  unreadable = 0

  constructor(db: DatabaseSync, logger: Logger) {
    this.#rows = new Rows(db)
    this.#logger = logger
    this.#addEvent = command(
      db,
      'INSERT INTO events (run, kind, task, pos, at, event, data, sender) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    )
    this.#addLine = command(
      db,
      'INSERT INTO lines (run, pos, task, at, level, message) VALUES (?, ?, ?, ?, ?, ?)',
    )
    this.#addWords = command(db, 'INSERT INTO line_words (rowid, message) VALUES (last_insert_rowid(), ?)')
    this.#addArtifact = command(db, 'INSERT INTO artifacts (run, id, key, kind, view) VALUES (?, ?, ?, ?, ?)')
  }

  /** Within a transaction; `finish` ends it. */
  apply(entry: Entry): void {
    const { subject, rev } = entry
    if (entry.tombstone) {
      this.#rows.remove(subject)
      return
    }
    const known = this.#rows.run(subject)
    if (known !== undefined && rev <= known.rev) return // (J1)
    const records = this.#read(entry)
    const place = { rev, index: 0, lines: 0 }
    let run = known
    for (const [index, record] of records.entries()) {
      place.index = index
      if (record.k === 'created') run ??= this.#create(subject, record, rev)
      else if (run !== undefined) this.#record(run, record, place)
      if (record.k !== 'head') this.records++
    }
    if (run !== undefined) run.rev = rev
  }

  finish(): void {
    this.#rows.write()
  }

  /** The transaction was given up. */
  forget(): void {
    this.#rows.forget()
  }

  #read(entry: Entry): readonly RunRecord[] {
    try {
      return decodeEntry(entry)
    } catch (error) {
      this.unreadable++
      this.#logger.error(
        { run: entry.subject, rev: entry.rev, error },
        'an entry cannot be read and is left out',
      )
      return [] // (J2)
    }
  }

  #create(id: string, record: CreatedRecord, rev: Rev): RunRow {
    const state = firstState(record)
    const { context } = beginRun(id, record, { rev, at: record.at }).flow
    const { parameters } = record
    const kept = 'v' in parameters ? JSON.stringify(parameters.v) : null
    const run = this.#rows.addRun({ made: runIdentity(id, record), parameters: kept, rev, state, context })
    this.#stateEvent(run, { rev, index: 1 }, record.at, record.by)
    return run
  }

  #record(run: RunRow, record: RunRecord, place: Place): void {
    switch (record.k) {
      case 'flow':
        this.#flow(run, record, place)
        return
      case 'task+':
        this.#addTask(run, record, place)
        return
      case 'task':
        this.#task(run, record, place)
        return
      case 'tasks':
        for (const task of this.#rows.openTasks(run)) this.#moveTask(task, record, place)
        return
      case 'wait':
        if (record.signal !== undefined || record.input !== undefined) this.#rows.awaits(run, record)
        return
      case 'wait-':
        this.#rows.awaitsNoMore(run, record.id)
        return
      case 'note':
        this.#note(run, record, place)
        return
      case 'poison':
        this.#event(run, place, poisonEvent(run.id, place.rev, place.index, record))
        return
    }
  }

  // ── flow runs

  #flow(run: RunRow, record: FlowRecord, place: Place): void {
    const { e, s } = record
    const before = snapshotOf(run)
    const after = stepped(before, record)
    run.context = after.context
    const isEntered = after.tag !== before.tag || after.context.runningSince !== before.context.runningSince
    if (isEntered) {
      const message = flowMessage(e, s, { ...storedState(run.state), tag: before.tag }, after.context)
      run.state = withInput(stateView(e, s, message), e, (wait) => this.#rows.inputOf(run, wait))
      this.#stateEvent(run, place, e.at, senderIn(record))
    }
    const signal = signalEvent(run.id, place.rev, place.index, record)
    if (signal !== undefined && (e.type === 'SIGNAL' || !isEntered)) this.#event(run, place, signal)
    if (beginsAgain(record)) {
      this.#rows.supersede(run)
      this.#rows.awaitsNoMore(run)
      run.progress = null
    }
  }

  #stateEvent(
    { no, state }: RunRow,
    { index, rev }: Pick<Place, 'index' | 'rev'>,
    at: number,
    by: Sender | undefined,
  ): void {
    const sender = by === undefined ? null : JSON.stringify(by)
    const pos = rev * PLACES + index
    const data = JSON.stringify(state)
    this.#addEvent(no, EVENT_KINDS.run, null, pos, at, `flow-run.${state.name}`, data, sender)
  }

  // ── task runs

  #addTask(run: RunRow, record: TaskCreatedRecord, place: Place): void {
    const earlier = this.#rows.task(run, record.id)
    if (earlier !== undefined && !earlier.isSuperseded) count(run, earlier.state, -1)
    const { state } = newTask(run.id, record)
    const task: TaskRow = {
      no: earlier?.no,
      run,
      key: record.id,
      made: taskIdentity(run.id, record),
      createdAt: record.at,
      state,
      isSuperseded: false,
      startTime: null,
      endTime: null,
      runningSince: null,
      totalMs: 0,
      runCount: 0,
      progress: null,
    }
    this.#rows.putTask(task)
    count(run, state, 1)
    this.#taskEvent(task, place, record.at)
  }

  #task(run: RunRow, record: TaskRecord, place: Place): void {
    const task = this.#rows.task(run, record.id)
    if (task !== undefined) this.#moveTask(task, record, place)
  }

  #moveTask(task: TaskRow, { e, s }: Pick<TaskRecord, 'e' | 's'>, place: Place): void {
    const { run, state: before } = task
    const isAgain = e.type === 'FAIL' && s === 'RUNNING.Retrying'
    if (tagIn(before) === s && !isAgain) return
    const state = stateView(e, s, taskMessage(e, s))
    if (before.type === 'RUNNING') {
      task.totalMs += Math.max(0, e.at - (task.runningSince ?? e.at))
      task.runningSince = null
    }
    if (state.type === 'RUNNING') {
      task.startTime ??= e.at
      task.runningSince = e.at
      task.runCount++
    }
    if (isTerminalTag(s)) {
      task.startTime ??= e.at
      task.endTime = e.at
    }
    task.state = state
    if (!task.isSuperseded) {
      count(run, before, -1)
      count(run, state, 1)
    }
    this.#taskEvent(task, place, e.at)
  }

  #taskEvent({ key, run, state }: TaskRow, { index, rev }: Place, at: number): void {
    const pos = rev * PLACES + index
    const name = `task-run.${state.name}`
    this.#addEvent(run.no, EVENT_KINDS.task, key, pos, at, name, JSON.stringify(state), null)
  }

  // ── what the code says

  #note(run: RunRow, note: NoteRecord, place: Place): void {
    if (isLines(note)) {
      this.#lines(run, note, place)
      return
    }
    if (isArtifact(note)) {
      const artifact = artifactOf(run.id, place.rev, place.index, note)
      const { id, key = null, kind } = artifact
      this.#addArtifact(run.no, id, key, kind, JSON.stringify(artifact))
      return
    }
    if (note.kind === PROGRESS) {
      const of = note.task === undefined ? run : this.#rows.task(run, note.task)
      if (of !== undefined) of.progress = JSON.stringify(note.data)
    }
    this.#event(run, place, noteEvent(run.id, place.rev, place.index, note))
  }

  #lines(run: RunRow, note: NoteRecord, place: Place): void {
    for (const { level, message, task, timestamp } of linesOf(run.id, place.rev, place.lines, note)) {
      const pos = place.rev * PLACES + place.lines
      this.#addLine(run.no, pos, task ?? null, Date.parse(timestamp), LEVELS.indexOf(level), message)
      this.#addWords(message)
      place.lines++
    }
  }

  #event(run: RunRow, { index, rev }: Place, { by, data, event, task, timestamp }: RunEvent): void {
    const sender = by === undefined ? null : JSON.stringify(by)
    const pos = rev * PLACES + index
    const at = Date.parse(timestamp)
    this.#addEvent(run.no, EVENT_KINDS.other, task ?? null, pos, at, event, JSON.stringify(data), sender)
  }
}

function snapshotOf({ context, state }: RunRow): ChartSnapshot<FlowContext> {
  return { tag: tagIn(state), context }
}

/** (J2) */
function stepped(before: ChartSnapshot<FlowContext>, { e, s }: FlowRecord): ChartSnapshot<FlowContext> {
  const step = flowChart.step(before, e)
  return step.is === 'moved' && step.to.tag === s ? step.to : { tag: s, context: before.context }
}

function storedState({ message, timestamp, ...name }: StateView) {
  const at = Date.parse(timestamp)
  return message === undefined ? { tag: tagIn(name), at } : { tag: tagIn(name), at, message }
}
