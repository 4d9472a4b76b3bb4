/** Names of runs that people can say aloud, and templates for names of their own. */

import type { Random } from './random.ts'
import { ADJECTIVES, ANIMALS } from './words.ts'

/** `gigantic-cockatoo` */
export function runName(random: Random): string {
  const pick = (words: readonly string[]) => words[Math.floor(random.next() * words.length)] ?? ''
  return `${pick(ADJECTIVES)}-${pick(ANIMALS)}`
}

/** Fills `{name}` in a template from the parameters; what is not there stays as it is. */
export function fillTemplate(template: string, parameters: Readonly<Record<string, unknown>>): string {
  return template.replaceAll(/\{([\w.]+)\}/g, (whole, path: string) => {
    let value: unknown = parameters
    for (const step of path.split('.'))
      value = typeof value === 'object' && value !== null ? Reflect.get(value, step) : undefined
    return value === undefined ? whole : String(value)
  })
}
