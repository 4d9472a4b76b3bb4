/** A run as a picture of some lines: itself, its task runs, its last log lines. */

import type { FollowedRun, RunFold, StateType, TaskRun } from '../../client/index.ts'
import { isOver } from '../../client/index.ts'
import { colourOf, lineText, type Output, oneLine, spanText } from '../output/index.ts'

export interface Size {
  readonly columns: number
  readonly rows: number
}

const LOG_LINES = 6
/** A task with more runs than this is drawn as one line with counts. */
const DRAWN_EACH = 8

const MARKS: Readonly<Record<StateType, string>> = {
  SCHEDULED: '◷',
  PENDING: '○',
  RUNNING: '◐',
  PAUSED: '‖',
  CANCELLING: '◌',
  COMPLETED: '✓',
  FAILED: '✗',
  CRASHED: '✗',
  CANCELLED: '–',
}

export function drawRun(fold: RunFold, out: Output, now: number, { columns, rows }: Size): string {
  const { run } = fold
  if (run === undefined) return 'Waiting for the run …'
  const logs = fold.lines
    .slice(-LOG_LINES)
    .flatMap((line) => lineText(out, line).split('\n'))
    .slice(-LOG_LINES)
  const room = Math.max(4, rows - logs.length - 4)
  const tasks = taskLines(fold.taskRuns, out, now)
  const hidden = tasks.length - room
  const shown =
    hidden > 0 ? [...tasks.slice(-room), out.colour('dim', `  … and ${hidden} lines above`)] : tasks
  const rule = logs.length === 0 ? [] : [out.colour('dim', '─'.repeat(Math.min(columns, 60)))]
  return [runLine(run, out, now), ...shown, ...rule, ...logs].join('\n')
}

function runLine(run: FollowedRun, out: Output, now: number): string {
  const { state } = run
  const colour = colourOf(state)
  const parts = [
    `${out.colour(colour, MARKS[state.type])} ${out.colour('bold', run.name)} (${run.flow})`,
    out.colour(colour, state.name),
    spanText(ranMs(run, now)),
    countsText(run.taskRuns),
    progressText(run.progress),
    isOver(state) ? '' : (state.message?.split('\n')[0] ?? ''),
  ]
  return parts.filter((part) => part !== '').join('  ')
}

/** One line a task run; one line a task that was called many times. */
function taskLines(taskRuns: readonly TaskRun[], out: Output, now: number): readonly string[] {
  const current = taskRuns.filter(({ superseded }) => superseded !== true)
  const byTask = Map.groupBy(current, ({ task }) => task)
  return [...byTask].flatMap(([task, runs]) =>
    runs.length > DRAWN_EACH ? [groupLine(task, runs, out, now)] : runs.map((run) => taskLine(run, out, now)),
  )
}

function taskLine(taskRun: TaskRun, out: Output, now: number): string {
  const { state, runCount } = taskRun
  const colour = colourOf(state)
  const attempt = runCount > 1 ? `attempt ${runCount}` : ''
  const message =
    state.type === 'FAILED' || state.name === 'AwaitingRetry' ? (state.message?.split('\n')[0] ?? '') : ''
  const parts = [
    `  ${out.colour(colour, MARKS[state.type])} ${taskRun.name}`,
    out.colour(colour, state.name),
    state.type === 'PENDING' ? '' : spanText(ranMs(taskRun, now)),
    attempt,
    progressText(taskRun.progress),
    message === '' ? '' : out.colour('dim', message),
  ]
  return parts.filter((part) => part !== '').join('  ')
}

function groupLine(task: string, runs: readonly TaskRun[], out: Output, now: number): string {
  const counts: Partial<Record<StateType, number>> = {}
  for (const { state } of runs) counts[state.type] = (counts[state.type] ?? 0) + 1
  const done = counts.COMPLETED ?? 0
  const isFinished = runs.every(({ state }) => isOver(state))
  const colour = isFinished ? (done === runs.length ? 'green' : 'red') : 'cyan'
  const longest = Math.max(...runs.map((run) => ranMs(run, now)))
  return `  ${out.colour(colour, isFinished ? (done === runs.length ? '✓' : '✗') : '◐')} ${task} ×${runs.length}  ${bar(done / runs.length)} ${countsText(counts)}  ${spanText(longest)}`
}

/** `4 completed, 1 running` */
function countsText(counts: Partial<Record<StateType, number>>): string {
  return Object.entries(counts)
    .map(([type, count]) => `${count} ${type.toLowerCase()}`)
    .join(', ')
}

function progressText(progress: Readonly<Record<string, unknown>> | undefined): string {
  const { done, total, note } = progress ?? {}
  if (typeof done !== 'number' || typeof total !== 'number' || total <= 0) return ''
  return `${bar(done / total)} ${done}/${total}${note === undefined ? '' : ` ${oneLine(note)}`}`
}

function bar(part: number): string {
  const full = Math.round(Math.min(1, Math.max(0, part)) * 12)
  return `${'█'.repeat(full)}${'░'.repeat(12 - full)}`
}

function ranMs({ state, totalRunMs }: Pick<TaskRun, 'state' | 'totalRunMs'>, now: number): number {
  return totalRunMs + (state.type === 'RUNNING' ? Math.max(0, now - Date.parse(state.timestamp)) : 0)
}
