/** What the gateway costs those who look on, and those who start and resume runs through it. */

import type { Row } from '../lib/results.ts'
import type { Stand } from '../lib/stands.ts'
import { measureLive } from './gateway/live.ts'
import { measureReadModel } from './gateway/read-model.ts'
import { measureRest } from './gateway/rest.ts'

export async function* measureGateway(stand: Stand, quick: boolean): AsyncGenerator<Row> {
  yield* measureReadModel(stand, quick)
  yield* measureLive(stand, quick)
  yield* measureRest(stand, quick)
}
