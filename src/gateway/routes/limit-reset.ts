/** Giving back what is in use of a concurrency limit: asked of the scheduler that keeps the slots. */

import { Type } from 'typebox'
import * as api from '../../api/index.ts'
import type { Broker } from '../../broker/index.ts'
import { LIMITS_BUCKET, type LimitReset, limitKey, resetLimit } from '../../scheduler/index.ts'
import { demandUnbound } from '../access/index.ts'
import type { Server } from '../http/index.ts'
import { taskRunId } from '../read-model/index.ts'
import { about, answers, type Context, principalOf } from './context.ts'
import { noSuch } from './definitions.ts'

const ByName = Type.Object({ name: api.Text })

export function addLimitReset(server: Server, { broker }: Pick<Context, 'broker'>): void {
  server.post(
    '/api/v1/concurrency-limits/:name/reset',
    {
      schema: {
        ...about(
          'concurrency-limits',
          'Give back all its slots in use',
          'For slots that leak. What holds them goes on and counts no more, so that more may run for a while than the limit has slots; it counts again when another scheduler comes to keep the slots. Also for the limits of pools, queues and deployments: `pool:name`, `queue:pool/name`, `deployment:flow/name`.',
        ),
        params: ByName,
        response: answers(api.LimitReset),
      },
      config: { scope: 'admin' },
    },
    async (request) => {
      demandUnbound(principalOf(request))
      const { name } = request.params
      const done = await resetLimit(broker, name)
      // The keeper hears of a new limit a moment later than others.
      if (done === undefined && !(await isDefined(broker, name))) throw noSuch('concurrency limit', name)
      const { freed = 0, holders = [] } = done ?? {}
      return { name, freed, holders: holders.map(shownHolder) }
    },
  )
}

async function isDefined({ kv }: Broker, name: string): Promise<boolean> {
  return (await (await kv.bucket(LIMITS_BUCKET)).get(limitKey(name))) !== undefined
}

function shownHolder({ run, slots, task }: LimitReset['holders'][number]) {
  return { run, slots, ...(task === undefined ? {} : { taskRun: taskRunId(run, task) }) }
}
