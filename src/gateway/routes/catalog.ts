/** Work pools, work queues, deployments, variables, concurrency limits and API keys. */

import { Type } from 'typebox'
import * as api from '../../api/index.ts'
import type { Bucket } from '../../broker/index.ts'
import * as catalog from '../../catalog/index.ts'
import { CallboardError } from '../../core/index.ts'
import { LIMITS_BUCKET, type Limit, limitKey, parseLimit } from '../../scheduler/index.ts'
import { demandUnbound, newKey } from '../access/index.ts'
import type { Server } from '../http/index.ts'
import { iso } from '../read-model/index.ts'
import { about, answersPage, askerOf, type Context, Nothing, pageIn, principalOf } from './context.ts'
import { addDefinitions, type Kind, noSuch } from './definitions.ts'
import { answerStarted } from './shown-run.ts'

/** Times as texts. */
export function shown<T extends catalog.Stamped>({ createdAt, updatedAt, ...rest }: T) {
  return { ...rest, createdAt: iso(createdAt), updatedAt: iso(updatedAt) }
}

export function addPools(server: Server, context: Context): void {
  const { broker } = context
  const kinds = context.catalog
  const { deployments, pools, queues, variables } = kinds

  addDefinitions(server, {
    ...{ tag: 'work-pools', title: 'work pool', names: ['name'], pausable: true },
    ...{ given: api.WorkPoolInput, shown: api.WorkPool },
    idOf: ({ name }) => name,
    list: async () => (await pools.list()).map(shown),
    get: async (id) => shown(await pools.get(id)),
    create: async (given) => shown(await catalog.createPool(kinds, given)),
    async put(given) {
      if ((await pools.find(given.name)) === undefined) return shown(await catalog.createPool(kinds, given))
      return shown(await pools.put({ paused: false, ...given }))
    },
    update: async (id, changes) => shown(await pools.update(id, () => changes)),
    remove: (id) => catalog.deletePool(kinds, id),
  } satisfies Kind<api.WorkPoolInput, api.WorkPool>)

  const shownQueue = (queue: catalog.WorkQueue) => ({
    ...shown(queue),
    brokerQueue: catalog.brokerQueue(queue),
  })
  addDefinitions(server, {
    ...{ tag: 'work-queues', title: 'work queue', names: ['pool', 'name'], pausable: true },
    ...{ given: api.WorkQueueInput, shown: api.WorkQueue },
    idOf: catalog.queueId,
    list: async () => (await queues.list()).map(shownQueue),
    async get(id) {
      const queue = await queues.get(id)
      return { ...shownQueue(queue), depth: await broker.queue.depth(catalog.brokerQueue(queue)) }
    },
    create: async (given) => shownQueue(await catalog.createQueue(kinds, given)),
    async put(given) {
      await pools.get(given.pool)
      return shownQueue(await queues.put({ priority: 100, paused: false, ...given }))
    },
    update: async (id, changes) => shownQueue(await queues.update(id, () => changes)),
    async remove(id) {
      const queue = await queues.find(id)
      return queue !== undefined && catalog.deleteQueue(kinds, queue)
    },
  } satisfies Kind<api.WorkQueueInput, api.WorkQueue>)

  const shownDeployment = (deployment: catalog.Deployment) => ({
    id: catalog.deploymentId(deployment),
    ...shown(deployment),
  })
  const draftOf = (given: api.DeploymentInput) => ({
    ...{ tags: [], parameters: {}, paused: false },
    ...{ pool: catalog.DEFAULT_POOL, queue: catalog.DEFAULT_QUEUE },
    ...given,
  })
  addDefinitions(server, {
    ...{ tag: 'deployments', title: 'deployment', names: ['flow', 'name'], pausable: true },
    ...{ given: api.DeploymentInput, shown: api.Deployment },
    idOf: ({ id }) => id,
    list: async () => (await deployments.list()).map(shownDeployment),
    get: async (id) => shownDeployment(await deployments.get(id)),
    create: async (given) => shownDeployment(await deployments.create(draftOf(given))),
    put: async (given) => shownDeployment(await deployments.put(draftOf(given))),
    update: async (id, changes) => shownDeployment(await deployments.update(id, () => changes)),
    remove: (id) => deployments.delete(id),
  } satisfies Kind<api.DeploymentInput, api.Deployment>)

  addDefinitions(server, {
    ...{ tag: 'variables', title: 'variable', names: ['name'], pausable: false },
    ...{ given: api.VariableInput, shown: api.Variable },
    idOf: ({ name }) => name,
    list: async () => (await variables.list()).map(shown),
    get: async (id) => shown(await variables.get(id)),
    create: async (given) => shown(await variables.create({ tags: [], ...given })),
    put: async (given) => shown(await variables.put({ tags: [], ...given })),
    update: async (id, changes) => shown(await variables.update(id, () => changes)),
    remove: (id) => variables.delete(id),
  } satisfies Kind<api.VariableInput, api.Variable>)
}

const ByDeployment = Type.Object({ flow: api.Text, name: api.Text })

/** A run of a deployment. */
export function addDeploymentRuns(server: Server, context: Context): void {
  const { commands } = context
  server.post(
    '/api/v1/deployments/:flow/:name/run',
    {
      schema: {
        ...about(
          'deployments',
          'Start a run of it',
          '201, or 200 with the run that has the idempotency key already.',
        ),
        params: ByDeployment,
        body: api.StartDeployment,
        response: { 200: api.FlowRun, 201: api.FlowRun },
      },
      config: { scope: 'run' },
    },
    async (request, reply) => {
      const deployment = catalog.deploymentId(request.params)
      const started = await commands.start({ ...request.body, deployment }, askerOf(request))
      return answerStarted(context, started, reply)
    },
  )
}

/** Concurrency limits are kept where the scheduler watches them. */
export function addLimits(server: Server, { broker }: Context): void {
  const title = 'concurrency limit'
  let opened: Promise<Bucket> | undefined
  const bucket = () => {
    opened ??= broker.kv.bucket(LIMITS_BUCKET).catch((error: unknown) => {
      opened = undefined
      throw error
    })
    return opened
  }
  const limitOf = ({ active = true, strategy = 'enqueue', ...given }: api.LimitInput): Limit =>
    parseLimit({ active, strategy, ...given })
  const stored = (limit: Limit) => ({ ...limit })

  addDefinitions(server, {
    ...{ tag: 'concurrency-limits', title, names: ['name'], pausable: false },
    ...{ given: api.LimitInput, shown: api.ConcurrencyLimit },
    idOf: ({ name }) => name,
    async list() {
      const limits: Limit[] = []
      for await (const { value } of (await bucket()).list()) limits.push(parseLimit(value))
      return limits.toSorted((a, b) => (a.name < b.name ? -1 : 1))
    },
    async get(name) {
      const entry = await (await bucket()).get(limitKey(name))
      if (entry === undefined) throw noSuch(title, name)
      return parseLimit(entry.value)
    },
    async create(given) {
      const limit = limitOf(given)
      const made = await (await bucket()).create(limitKey(limit.name), stored(limit))
      if (made !== undefined) return limit
      throw new CallboardError(
        'CB_E_CATALOG_EXISTS',
        `There is a ${title} '${limit.name}' already. Change that one, or choose another name.`,
      )
    },
    async put(given) {
      const limit = limitOf(given)
      await (await bucket()).put(limitKey(limit.name), stored(limit))
      return limit
    },
    async update(name, changes) {
      const key = limitKey(name)
      for (;;) {
        const entry = await (await bucket()).get(key)
        if (entry === undefined) throw noSuch(title, name)
        const { decayPerSecond, ...kept } = { ...parseLimit(entry.value), ...changes }
        const limit = limitOf(decayPerSecond === undefined ? kept : { ...kept, decayPerSecond })
        if ((await (await bucket()).update(key, stored(limit), entry.revision)) !== undefined) return limit
      }
    },
    remove: async (name) => (await bucket()).delete(limitKey(name)),
  } satisfies Kind<api.LimitInput, api.ConcurrencyLimit>)
}

const ByName = Type.Object({ name: api.Text })
const ListQuery = Type.Object(api.Paging, api.strict)

/** A key is shown once, when it is made; what is kept is its hash. */
export function addApiKeys(server: Server, { catalog: { apiKeys }, deps }: Context): void {
  const tag = 'api-keys'
  const config = { scope: 'admin' } as const
  const shownKey = ({ expiresAt, hash: _, ...key }: catalog.ApiKey): api.ApiKey => ({
    ...shown(key),
    ...(expiresAt === undefined ? {} : { expiresAt: iso(expiresAt) }),
  })

  server.get(
    '/api/v1/api-keys',
    {
      schema: {
        ...about(tag, 'All of them, without the keys'),
        querystring: ListQuery,
        response: answersPage(api.ApiKey),
      },
      config,
    },
    async (request) => {
      demandUnbound(principalOf(request))
      return pageIn((await apiKeys.list()).map(shownKey), ({ name }) => name, request.query)
    },
  )

  server.post(
    '/api/v1/api-keys',
    {
      schema: {
        ...about(tag, 'Make a key', 'The key itself is in this answer and nowhere else.'),
        body: api.ApiKeyInput,
        response: { 201: api.NewApiKey },
      },
      config,
    },
    async (request, reply) => {
      demandUnbound(principalOf(request))
      const { expiresAt, ...given } = request.body
      const { hash, key } = newKey(deps.random)
      const made = await apiKeys.create({
        ...given,
        hash,
        ...(expiresAt === undefined ? {} : { expiresAt: Date.parse(expiresAt) }),
      })
      return reply.code(201).send({ key, apiKey: shownKey(made) })
    },
  )

  server.delete(
    '/api/v1/api-keys/:name',
    { schema: { ...about(tag, 'Revoke a key'), params: ByName, response: { 204: Nothing } }, config },
    async (request, reply) => {
      demandUnbound(principalOf(request))
      const { name } = request.params
      if (await apiKeys.delete(name)) return reply.code(204).send(null)
      throw noSuch('API key', name)
    },
  )
}
