/** Whether the gateway lives, and whether it can be relied on. */

import { Health, Ready, Version } from '../../api/index.ts'
import { packageVersion } from '../../core/index.ts'
import type { Server } from '../http/index.ts'
import { about, answers, type Context } from './context.ts'

export function addHealth(server: Server, { broker, feed }: Context): void {
  server.get(
    '/api/health',
    {
      schema: { ...about('health', 'The process lives'), response: answers(Health) },
      config: { scope: 'public' },
    },
    async () => ({ status: 'ok' as const }),
  )

  server.get(
    '/api/ready',
    {
      schema: {
        ...about('health', 'The broker is there and the read model is up to date'),
        response: { 200: Ready, 503: Ready },
      },
      config: { scope: 'public' },
    },
    async (_, reply) => {
      const { status } = broker
      const isLive = feed.status.is === 'live'
      const ready = status === 'connected' && isLive
      return reply.code(ready ? 200 : 503).send({
        ready,
        broker: status,
        caughtUp: isLive,
        ...(ready ? {} : { reason: reasonOf(status, feed.status.is) }),
      })
    },
  )

  server.get(
    '/api/version',
    {
      schema: { ...about('health', 'Which Callboard this is'), response: answers(Version) },
      config: { scope: 'public' },
    },
    async () => ({ version: packageVersion(), api: 'v1' as const, node: process.versions.node }),
  )
}

function reasonOf(broker: string, feed: string): string {
  if (broker !== 'connected') return `The broker is ${broker}.`
  return feed === 'catching-up'
    ? 'The read model is still being made from the log.'
    : 'The log cannot be followed just now; see the log of the gateway.'
}
