/** Tokens for one run: what a page or a link is given instead of a key. */

import { Type } from 'typebox'
import { RunId, RunToken, RunTokenInput } from '../../api/index.ts'
import { CallboardError, type Deps } from '../../core/index.ts'
import { demand, type Keeper, nameOf } from '../access/index.ts'
import type { Server } from '../http/index.ts'
import { iso, type ReadModel } from '../read-model/index.ts'
import { about, demandSight, principalOf } from './context.ts'

interface TokenContext {
  readonly deps: Deps
  readonly keeper: Keeper
  readonly model: ReadModel
}

const ONE_HOUR_S = 3_600

export function addRunTokens(server: Server, context: TokenContext): void {
  const { deps, keeper } = context
  server.post(
    '/api/v1/flow-runs/:id/tokens',
    {
      schema: {
        ...about(
          'flow-runs',
          'Make a token for this run',
          'It may do no more than the asker may, has to do with this run only, and counts until it expires.',
        ),
        params: Type.Object({ id: RunId }),
        body: RunTokenInput,
        response: { 201: RunToken },
      },
      config: { scope: 'read' },
    },
    async (request, reply) => {
      const { id: run } = request.params
      const { expiresInSeconds = ONE_HOUR_S, scopes = ['read'] } = request.body
      const principal = principalOf(request)
      if (principal.is === 'run-token')
        throw new CallboardError('CB_E_FORBIDDEN', 'A run token makes no other tokens. Ask with an API key.')
      for (const scope of scopes) demand(principal, scope)
      demandSight(context, request, run)
      const expiresAt = deps.clock.now() + expiresInSeconds * 1_000
      const token = keeper.issue({ run, scopes, expiresAt, issuer: nameOf(principal) })
      return reply.code(201).send({ token, run, expiresAt: iso(expiresAt) })
    },
  )
}
