/** A flow as the engine knows it. */

import { CallboardError } from '../core/index.ts'
import { checkFlowOptions, type FlowOptions } from './flow-options.ts'
import { nameFor } from './names.ts'
import type { AnyFunction, TaskDefinition } from './task-definition.ts'
import { fileVersion } from './version.ts'

export interface FlowDefinition {
  readonly kind: 'flow'
  readonly name: string
  readonly fn: AnyFunction
  readonly options: FlowOptions
  /** Undefined when it cannot be found out. */
  readonly version: string | undefined
  /** That defines it; undefined when it cannot be found out. */
  readonly file?: string | undefined
  /** Made of a task that was called outside of a flow: what it calls is all there is to the run. */
  readonly ofTask?: true
  /** Not a flow at all: the body of this task, whose run is elsewhere. */
  readonly body?: TaskDefinition
}

/** @throws CB_E_DEFINITION_INVALID, CB_E_OPTION_UNKNOWN, CB_E_OPTION_INVALID */
export function defineFlow(fn: AnyFunction, options: FlowOptions, file: string | undefined): FlowDefinition {
  const name = nameFor('flow', options.name, fn)
  checkFlowOptions(name, options)
  if (fn.length > 1)
    throw new CallboardError(
      'CB_E_DEFINITION_INVALID',
      `The function of flow '${name}' takes ${fn.length} arguments. A flow takes one object: async ({ lat, lon }) => …`,
    )
  return { kind: 'flow', name, fn, options, version: options.version ?? fileVersion(file), file }
}
