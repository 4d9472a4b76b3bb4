/** Why a value cannot be stored, and where in it: made where it was found, located on the way out. */

import { CallboardError, messageOf } from '../errors.ts'

export class Fault {
  readonly #problem: string
  readonly #cause: unknown
  readonly #steps: string[] = []

  /** `problem` goes on after the path: "is a function: leave it out". */
  constructor(problem: string, cause?: unknown) {
    this.#problem = problem
    this.#cause = cause
  }

  /** What was thrown while a part was read: a fault, or what user code in it (a getter, `toJSON`) threw. */
  static of(thrown: unknown): Fault {
    if (thrown instanceof Fault) return thrown
    return new Fault(`could not be read, it threw: ${messageOf(thrown)}`, thrown)
  }

  /** The fault is in this part of the container that is now being left. */
  under(step: string | number): this {
    this.#steps.push(typeof step === 'number' ? `[${step}]` : step)
    return this
  }

  /** `what` names the whole value. */
  toError(what: string): CallboardError {
    const path = what + this.#steps.reverse().join('')
    return new CallboardError('CB_E_VALUE_UNSERIALISABLE', `${path} ${this.#problem}`, {
      cause: this.#cause,
      details: { path },
    })
  }
}

/** The step to a property: `.name`, or `["not a name"]`. */
export function propertyStep(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}
