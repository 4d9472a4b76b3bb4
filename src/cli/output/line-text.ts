/** A log line of a run, as people read it. */

import type { LogLine } from '../../client/index.ts'
import { type Colour, clockText } from './format.ts'
import type { Output } from './output.ts'

const LEVEL_COLOURS: Partial<Record<LogLine['level'], Colour>> = {
  warn: 'yellow',
  error: 'red',
  debug: 'gray',
}

export function lineText(out: Output, { timestamp, level, task, message }: LogLine): string {
  const colour = LEVEL_COLOURS[level]
  const word = level.toUpperCase().padEnd(5)
  const shown = colour === undefined ? word : out.colour(colour, word)
  const by = task === undefined ? '' : `${out.colour('blue', task)} `
  return `${out.colour('dim', clockText(timestamp))} ${shown} ${by}${message}`
}
