/**
 * Large values on their way between a run's code and its log. A broker that is away for a while is no reason for a
 * task or a run to fail: storing and loading wait, for as long as the run is hosted here. Small values, nearly all of
 * them, pass at once and cost no promise.
 */

import type { ValueRef } from './events.ts'
import type { HostContext } from './host-context.ts'
import type { RunLog } from './run-log.ts'
import { fitsInline, loadValue, newValueKey, putValue } from './values.ts'

/** Nothing comes as nothing. */
type Then = (ref: ValueRef | undefined) => void
type Failed = (error: unknown) => void

export class HostedValues {
  readonly #context: HostContext
  readonly #log: RunLog

  constructor(context: HostContext, log: RunLog) {
    this.#context = context
    this.#log = log
  }

  /** Hands on what may stand in a record: the value, or the object it was written to. */
  store(value: ValueRef | undefined, then: Then, failed: Failed): void {
    if (value === undefined || 'object' in value || fitsInline(value)) {
      then(value)
      return
    }
    const { broker, deps } = this.#context
    const key = newValueKey(deps, this.#log.id)
    this.#log.outlast(() => putValue(broker.objects, key, value.v)).then(then, failed)
  }

  /** Hands on the value itself. */
  load(ref: ValueRef | undefined, then: Then, failed: Failed): void {
    if (ref === undefined || !('object' in ref)) {
      then(ref)
      return
    }
    const { objects } = this.#context.broker
    this.#log.outlast(() => loadValue(objects, ref)).then((v) => then({ v }), failed)
  }
}
