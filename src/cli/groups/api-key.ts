/** `callboard api-key`: who may use the gateway, and for what. */

import { Command } from '@commander-js/extra-typings'
import type { GatewayClient } from '../../client/index.ts'
import type { Context } from '../context.ts'
import { wrongUsage } from '../exits.ts'
import { confirmed, duration, several } from '../input/index.ts'
import { fromNow } from '../output/index.ts'

const SCOPES = ['read', 'signal', 'run', 'admin'] as const
type Scope = (typeof SCOPES)[number]

export function apiKeyGroup(context: Context) {
  return new Command('api-key')
    .description('Keys to the gateway.')
    .addCommand(createCommand(context))
    .addCommand(listCommand(context))
    .addCommand(revokeCommand(context))
}

function createCommand(context: Context) {
  return new Command('create')
    .description('Makes a key and shows it, this one time.')
    .argument('<name>')
    .option('--scope <scope>', `${SCOPES.join(', ')} (several times; read when none is given)`, several)
    .option('--flow <name>', 'only for runs of this flow')
    .option('--tag <tag>', 'only for runs with this tag')
    .option('--pool <name>', 'only for runs of this pool')
    .option('--expires <time>', 'how long it is good for: 90d', duration)
    .option('--at-broker', 'at the broker itself: the first key, before there is a gateway that takes it')
    .option('--json', 'as JSON')
    .action(async (name, { scope = ['read'], flow, tag, pool, expires, atBroker, json }) => {
      const only = {
        ...(flow === undefined ? {} : { flow }),
        ...(tag === undefined ? {} : { tag }),
        ...(pool === undefined ? {} : { pool }),
      }
      const draft = {
        name,
        scopes: scope.map(scopeOf),
        ...(Object.keys(only).length === 0 ? {} : { only }),
      }
      const expiresAt = expires === undefined ? undefined : context.deps.clock.now() + expires
      const make = atBroker === true ? atTheBroker : atTheGateway
      const made = await make(context, draft, expiresAt)
      if (json === true) return context.out.json(made)
      context.out.line(made.key)
      context.out.note('Keep it now: it is stored as a hash and cannot be shown again.')
    })
}

type Draft = Omit<Parameters<GatewayClient['apiKeys']['create']>[0], 'expiresAt'>

async function atTheGateway(context: Context, draft: Draft, expiresAt: number | undefined) {
  const { apiKeys } = await context.client()
  return apiKeys.create({
    ...draft,
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
  })
}

async function atTheBroker(context: Context, draft: Draft, expiresAt: number | undefined) {
  const [{ withBroker }, { openCatalog }, { newKey }] = await Promise.all([
    import('../with-broker.ts'),
    import('../../catalog/index.ts'),
    import('../../gateway/index.ts'),
  ])
  return withBroker(context, async (broker) => {
    const { key, hash } = newKey(context.deps.random)
    const given = { ...draft, hash, ...(expiresAt === undefined ? {} : { expiresAt }) }
    const { hash: _, ...apiKey } = await openCatalog(broker, context.deps).apiKeys.create(given)
    return { key, apiKey }
  })
}

function scopeOf(text: string): Scope {
  const scope = SCOPES.find((one) => one === text)
  if (scope === undefined) throw wrongUsage(`'${text}' is no scope. Scopes are: ${SCOPES.join(', ')}.`)
  return scope
}

function listCommand(context: Context) {
  return new Command('ls')
    .alias('list')
    .description('Every key, without the key itself.')
    .option('--json', 'as JSON')
    .action(async ({ json }) => {
      const { items } = await (await context.client()).apiKeys.list()
      const now = context.deps.clock.now()
      context.out.list(
        items,
        [
          { title: 'NAME', value: ({ name }) => name },
          { title: 'SCOPES', value: ({ scopes }) => scopes.join(', ') },
          {
            title: 'ONLY',
            value: ({ only = {} }) =>
              Object.entries(only)
                .map(([field, value]) => `${field}=${value}`)
                .join(', '),
          },
          { title: 'EXPIRES', value: ({ expiresAt }) => fromNow(expiresAt, now) },
          { title: 'CREATED', value: ({ createdAt }) => fromNow(createdAt, now) },
        ],
        { json, none: 'No keys. Make one: callboard api-key create <name> --scope run' },
      )
    })
}

function revokeCommand(context: Context) {
  return new Command('revoke')
    .description('Makes a key worthless, at once.')
    .argument('<name>')
    .option('-y, --yes', 'without asking')
    .action(async (name, { yes }) => {
      if (!(await confirmed(context, `Revoke the key '${name}'?`, yes))) return
      await (await context.client()).apiKeys.revoke(name)
      context.out.line(`${name} revoked`)
    })
}
