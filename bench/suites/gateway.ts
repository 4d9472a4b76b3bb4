/** What the gateway costs those who look on. */

import type { Row } from '../lib/results.ts'
import type { Stand } from '../lib/stands.ts'
import { measureLive } from './gateway/live.ts'
import { measureReadModel } from './gateway/read-model.ts'

export async function* measureGateway(stand: Stand, quick: boolean): AsyncGenerator<Row> {
  yield* measureReadModel(stand, quick)
  yield* measureLive(stand, quick)
}
