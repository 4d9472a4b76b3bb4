/**
 * What commands say. Results go to standard output and nothing else does, so that they can be piped; notes, progress and
 * errors go to standard error. Colours only on a terminal.
 */

import { styleText } from 'node:util'
import Table from 'cli-table3'
import type { Clock } from '../../core/index.ts'
import type { Colour } from './format.ts'

export interface Column<T> {
  readonly title: string
  readonly value: (row: T) => string
  readonly colour?: (row: T) => Colour | undefined
  readonly align?: 'right'
}

/** A terminal, or a pipe. */
export interface SayStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

export interface Streams {
  readonly stdout: SayStream
  readonly stderr: SayStream
}

/** A command that takes longer than this says what it does. */
const SAY_AFTER_MS = 1_000

export class Output {
  readonly stdout: SayStream
  readonly stderr: SayStream
  readonly #clock: Clock

  constructor({ stdout, stderr }: Streams, clock: Clock) {
    this.stdout = stdout
    this.stderr = stderr
    this.#clock = clock
  }

  /** Whether somebody looks at it who wants to see it change. */
  get isTerminal(): boolean {
    return this.stdout.isTTY === true
  }

  line(text = ''): void {
    this.stdout.write(`${text}\n`)
  }

  /** Besides the result. */
  note(text: string): void {
    this.stderr.write(`${text}\n`)
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value, undefined, 2))
  }

  colour(colour: Colour | 'bold' | 'dim', text: string): string {
    return styleText(colour, text, { stream: this.stdout })
  }

  /** The rows as JSON when that is asked for, else as a table; `none` says that there are none. */
  list<T>(
    rows: readonly T[],
    columns: readonly Column<T>[],
    options: { json?: true | undefined; none: string },
  ): void {
    if (options.json === true) this.json(rows)
    else if (rows.length === 0) this.note(options.none)
    else this.table(rows, columns)
  }

  table<T>(rows: readonly T[], columns: readonly Column<T>[]): void {
    const table = new Table({
      chars: BORDERLESS,
      style: { 'padding-left': 0, 'padding-right': 2, head: [], border: [] },
      head: columns.map(({ title }) => this.colour('dim', title)),
      colAligns: columns.map(({ align }) => align ?? 'left'),
    })
    for (const row of rows)
      table.push(
        columns.map(({ value, colour }) => {
          const text = value(row)
          const of = colour?.(row)
          return of === undefined ? text : this.colour(of, text)
        }),
      )
    this.line(String(table).replaceAll(/ +$/gm, ''))
  }

  /** One thing: its facts below each other; what is undefined is left out. */
  facts(facts: Readonly<Record<string, string | undefined>>): void {
    const known = Object.entries(facts).filter(([, value]) => value !== undefined)
    const width = Math.max(...known.map(([name]) => name.length))
    for (const [name, value] of known) this.line(`${this.colour('dim', name.padEnd(width))}  ${value}`)
  }

  /** A text after the facts, when there is one. */
  below(text: string | undefined): void {
    if (text !== undefined) this.line(`\n${text}`)
  }

  /** Says what is being done when it takes a while; the line goes when it is over. */
  async during<T>(doing: string, work: Promise<T>): Promise<T> {
    if (this.stderr.isTTY !== true) return work
    const timer = this.#clock.setTimer(SAY_AFTER_MS, () => this.stderr.write(`${doing} …`), { ref: false })
    try {
      return await work
    } finally {
      timer.cancel()
      this.stderr.write('\r\x1b[K')
    }
  }
}

const BORDERLESS = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '' },
  ...{ 'bottom-left': '', 'bottom-right': '', left: '', 'left-mid': '', mid: '', 'mid-mid': '' },
  ...{ right: '', 'right-mid': '', middle: '' },
}
