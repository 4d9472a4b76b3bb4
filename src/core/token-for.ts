/** A token that stands for a name. */

import { createHash } from 'node:crypto'
import { isToken } from './ids.ts'

const HASHED = 'x_'
const DIGITS = 40

/** The name itself where it is a token, else one made from its hash; two names never give the same. */
export function tokenFor(name: string): string {
  if (isToken(name) && !name.startsWith(HASHED)) return name
  return `${HASHED}${createHash('sha256').update(name).digest('hex').slice(0, DIGITS)}`
}
