/** The three forms in which flows and tasks are made: `(fn)`, `('name', fn)`, `({ … }, fn)`. */

import { CallboardError, quote } from '../core/index.ts'
import type { AnyFunction } from './task-definition.ts'

/** @throws CB_E_DEFINITION_INVALID when there is no function */
export function readForms<F extends AnyFunction>(
  kind: 'task' | 'flow',
  first: F | string | object,
  second: F | undefined,
): { readonly options: object; readonly fn: F } {
  if (typeof first === 'function') return { options: {}, fn: first as F }
  const isKnown = typeof first === 'string' || (typeof first === 'object' && first !== null)
  if (!isKnown) throw invalid(kind, `was given ${quote(first)}`)
  if (typeof second !== 'function') throw invalid(kind, `was given ${quote(second)} for a function`)
  return { options: typeof first === 'string' ? { name: first } : first, fn: second }
}

function invalid(kind: 'task' | 'flow', problem: string): CallboardError {
  return new CallboardError(
    'CB_E_DEFINITION_INVALID',
    `${kind}() ${problem}. Write ${kind}(async function myName() { … }), ${kind}('my-name', async () => { … }) or ${kind}({ name: 'my-name' }, async () => { … }).`,
  )
}
