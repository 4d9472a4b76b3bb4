/** A state as it stands in a snapshot. */

import { dehydrate, type RunState } from '../../../src/actors/index.ts'
import type { JsonObject } from '../../../src/core/index.ts'

export function frozen(state: RunState): JsonObject {
  return JSON.parse([...dehydrate(state)].join(''))
}
