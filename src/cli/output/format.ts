/** Values as people read them. */

import type { StateView } from '../../client/index.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** `0.4s`, `12.0s`, `3m 04s`, `2h 10m`, `5d 3h` */
export function spanText(ms: number): string {
  if (ms < MINUTE) return `${(Math.max(0, ms) / SECOND).toFixed(1)}s`
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)}m ${two((ms % MINUTE) / SECOND)}s`
  if (ms < DAY) return `${Math.floor(ms / HOUR)}h ${two((ms % HOUR) / MINUTE)}m`
  return `${Math.floor(ms / DAY)}d ${Math.floor((ms % DAY) / HOUR)}h`
}

/** Where the error of a failed state was thrown, from its own words on; undefined when it does not say. */
export function traceText({ details }: Pick<StateView, 'details'>): string | undefined {
  const { error } = details
  const stack = typeof error === 'object' && error !== null && 'stack' in error ? error.stack : undefined
  return typeof stack === 'string' ? stack : undefined
}

/** `3m ago`, `in 2h`, `now` */
export function fromNow(time: string | undefined, now: number): string {
  if (time === undefined) return ''
  const ms = now - Date.parse(time)
  const text = coarse(Math.abs(ms))
  if (text === undefined) return 'now'
  return ms >= 0 ? `${text} ago` : `in ${text}`
}

function coarse(ms: number): string | undefined {
  if (ms < SECOND) return undefined
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)}s`
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)}m`
  if (ms < DAY) return `${Math.floor(ms / HOUR)}h`
  return `${Math.floor(ms / DAY)}d`
}

function two(amount: number): string {
  return String(Math.floor(amount)).padStart(2, '0')
}

/** `14:02:59.123` in local time. */
export function clockText(time: string): string {
  const at = new Date(time)
  const seconds = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
  return `${seconds}.${String(at.getMilliseconds()).padStart(3, '0')}`
}

/** The end of an id: its beginning is the time, which runs of one minute share. */
export function shortId(id: string): string {
  return id.slice(-8)
}

export type Colour = 'green' | 'red' | 'yellow' | 'blue' | 'cyan' | 'magenta' | 'gray'

const COLOURS: Readonly<Record<StateView['type'], Colour>> = {
  SCHEDULED: 'yellow',
  PENDING: 'yellow',
  RUNNING: 'cyan',
  PAUSED: 'magenta',
  CANCELLING: 'yellow',
  COMPLETED: 'green',
  FAILED: 'red',
  CRASHED: 'red',
  CANCELLED: 'gray',
}

export function colourOf({ type }: Pick<StateView, 'type'>): Colour {
  return COLOURS[type]
}

/** Any value in one line. */
export function oneLine(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
