/**
 * Prints of runs: while any run wants its `console.log` in its log, the function is replaced by one that asks where it was
 * called. Outside of such a run it prints as before.
 *
 * Invariants
 * (N1) What a print belongs to is the innermost run around it, through any number of functions and awaits.
 * (N2) After the last run that wants it, `console.log` is what it was (unless somebody else has replaced it since).
 */

import { formatWithOptions } from 'node:util'
import { scopes } from './scope.ts'

const METHODS = ['log', 'info'] as const

type Method = (typeof METHODS)[number]

let users = 0
let original: Pick<Console, Method> | undefined
const ours = new Set<unknown>()

/** Starts to catch prints; call what it gives when the run is over. */
export function catchPrints(): () => void {
  if (users++ === 0) install()
  let isOver = false
  return () => {
    if (isOver) return
    isOver = true
    if (--users === 0) uninstall()
  }
}

function install(): void {
  const { log, info } = console
  original = { log, info }
  for (const method of METHODS) {
    const before = original[method]
    const caught = (...args: readonly unknown[]): void => {
      const scope = scopes.getStore()
      const inner = scope?.task ?? scope?.flow
      if (inner?.logPrints === true) inner.lines.info(formatWithOptions({ colors: false }, ...args))
      else before.apply(console, [...args])
    }
    ours.add(caught)
    console[method] = caught
  }
}

/** (N2) */
function uninstall(): void {
  if (original === undefined) return
  for (const method of METHODS) if (ours.has(console[method])) console[method] = original[method]
  ours.clear()
  original = undefined
}
