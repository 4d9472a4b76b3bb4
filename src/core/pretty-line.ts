/** A log line for people: `21:31:37.605 | INFO    | Flow run 'gigantic-cockatoo' - Created task run 'my_task-0'`. */

import { styleText } from 'node:util'
import { isJsonObject, type JsonObject, type JsonValue } from './json.ts'
import { userStack } from './user-stack.ts'

export interface PrettyOptions {
  readonly colours: boolean
  /** Whether all facts are written after the sentence, as `name=value`. */
  readonly facts: boolean
}

const LEVELS: ReadonlyMap<
  JsonValue | undefined,
  readonly [label: string, style: 'dim' | 'cyan' | 'yellow' | 'red']
> = new Map([
  ['trace', ['TRACE  ', 'dim']],
  ['debug', ['DEBUG  ', 'dim']],
  ['info', ['INFO   ', 'cyan']],
  ['warn', ['WARNING', 'yellow']],
  ['error', ['ERROR  ', 'red']],
])

/** What is told by the line itself. */
const TOLD = new Set(['level', 'time', 'name', 'flowRun', 'taskRun', 'message', 'error'])

export function prettyLine(line: JsonObject, { colours, facts }: PrettyOptions): string {
  const [label, style] = LEVELS.get(line.level ?? '') ?? ['       ', 'dim']
  const paint = (text: string, as: typeof style) =>
    colours ? styleText(as, text, { validateStream: false }) : text
  const head = [
    timeOfDay(new Date(String(line.time))),
    paint(label, style),
    `${nameOf(line)} - ${line.message}`,
  ]
  const extra = facts ? Object.entries(line).filter(([name]) => !TOLD.has(name)) : []
  const tail = extra.map(([name, value]) => paint(` ${name}=${compact(value)}`, 'dim')).join('')
  return `${head.join(' | ')}${tail}${errorBelow(line.error, facts)}\n`
}

/** The innermost run, else the logger's name. */
function nameOf({ taskRun, flowRun, name }: JsonObject): string {
  if (typeof taskRun === 'string') return `Task run '${taskRun}'`
  if (typeof flowRun === 'string') return `Flow run '${flowRun}'`
  return typeof name === 'string' ? name : 'callboard'
}

function timeOfDay(time: Date): string {
  const two = (part: number) => String(part).padStart(2, '0')
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':')
  return `${clock}.${String(time.getMilliseconds()).padStart(3, '0')}`
}

function compact(value: JsonValue): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)
}

/** The stack of the fact `error` and those of its causes, on lines of their own; with every frame or the user's alone. */
function errorBelow(error: JsonValue | undefined, whole: boolean): string {
  if (error === undefined) return ''
  if (!isJsonObject(error)) return `\n    ${compact(error)}`
  const { stack, name, message, cause } = error
  const text = typeof stack === 'string' ? (whole ? stack : userStack(stack)) : `${name}: ${message}`
  const own = text.split('\n').map((row) => `\n    ${row.trimEnd()}`)
  return own.join('') + (cause === undefined ? '' : `\n    caused by:${errorBelow(cause, whole)}`)
}
