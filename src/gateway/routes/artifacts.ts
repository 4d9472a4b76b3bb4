/** Artifacts over REST: what the code of runs left for people. Seen by those who see the run. */

import { Type } from 'typebox'
import { Artifact, ArtifactId, ArtifactQuery } from '../../api/index.ts'
import type { Server } from '../http/index.ts'
import {
  about,
  answers,
  answersPage,
  type Context,
  demandSight,
  demandSightOfAny,
  missing,
} from './context.ts'

const TAG = 'artifacts'
const ById = Type.Object({ id: ArtifactId })

export function addArtifacts(server: Server, context: Context): void {
  const { model } = context

  server.get(
    '/api/v1/artifacts',
    {
      schema: {
        ...about(
          TAG,
          'Artifacts, newest first',
          'Artifacts of one key are versions of one thing: `key=…&limit=1` is the newest of a key, `latest=true` that of each.',
        ),
        querystring: ArtifactQuery,
        response: answersPage(Artifact),
      },
    },
    async (request) => {
      demandSightOfAny(context, request, request.query)
      return model.artifacts.list(request.query)
    },
  )

  server.get(
    '/api/v1/artifacts/:id',
    { schema: { ...about(TAG, 'An artifact'), params: ById, response: answers(Artifact) } },
    async (request) => {
      const { id } = request.params
      // Before it is looked for: who may not see the run learns nothing of what it made.
      demandSight(context, request, id.slice(0, id.indexOf('.')))
      const artifact = model.artifacts.get(id)
      if (artifact === undefined) throw missing('artifact', id)
      return artifact
    },
  )
}
