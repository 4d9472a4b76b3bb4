/** Flows that have runs or deployments, workers that are alive, and the settings of this gateway. */

import { Type } from 'typebox'
import { workerAddress } from '../../actors/index.ts'
import { Flow, Paging, Setting, strict, Text, Worker } from '../../api/index.ts'
import { deploymentId } from '../../catalog/index.ts'
import {
  CallboardError,
  hideCredentials,
  SETTING_NAMES,
  SETTINGS,
  Secret,
  type SettingName,
  type Settings,
  variableOf,
} from '../../core/index.ts'
import { demandUnbound } from '../access/index.ts'
import type { Server } from '../http/index.ts'
import { about, answers, answersPage, type Context, pageIn, principalOf } from './context.ts'

const ByName = Type.Object({ name: Text })
const ById = Type.Object({ id: Text })
const ListQuery = Type.Object(Paging, strict)

export function addFlows(server: Server, { catalog, model }: Context): void {
  const tag = 'flows'

  /** Flows with runs, and those that only have deployments. */
  async function flows(only?: string): Promise<Flow[]> {
    const deployments = await catalog.deployments.list()
    const names = new Set([...model.runs.flowNames(), ...deployments.map(({ flow }) => flow)])
    return [...names]
      .filter((name) => only === undefined || name === only)
      .toSorted()
      .map((name) => ({
        ...model.runs.flow(name),
        deployments: deployments.filter(({ flow }) => flow === name).map(deploymentId),
      }))
  }

  server.get(
    '/api/v1/flows',
    { schema: { ...about(tag, 'Flows, by name'), querystring: ListQuery, response: answersPage(Flow) } },
    async (request) => {
      demandUnbound(principalOf(request))
      return pageIn(await flows(), ({ name }) => name, request.query)
    },
  )

  server.get(
    '/api/v1/flows/:name',
    { schema: { ...about(tag, 'A flow'), params: ByName, response: answers(Flow) } },
    async (request) => {
      demandUnbound(principalOf(request))
      const { name } = request.params
      const [flow] = await flows(name)
      if (flow !== undefined) return flow
      throw new CallboardError('CB_E_FLOW_UNKNOWN', `No run and no deployment is of a flow '${name}'.`)
    },
  )
}

export function addWorkers(server: Server, { broker, workers }: Context): void {
  const tag = 'workers'
  const workerOf = (id: string): Worker => {
    const worker = workers.get(id)
    if (worker !== undefined) return worker
    throw new CallboardError('CB_E_CATALOG_MISSING', `There is no worker '${id}', or it is gone.`)
  }

  server.get(
    '/api/v1/workers',
    {
      schema: {
        ...about(tag, 'Workers that are alive'),
        querystring: ListQuery,
        response: answersPage(Worker),
      },
    },
    async (request) => {
      demandUnbound(principalOf(request))
      return pageIn(workers.all(), ({ id }) => id, request.query)
    },
  )

  server.get(
    '/api/v1/workers/:id',
    { schema: { ...about(tag, 'A worker'), params: ById, response: answers(Worker) } },
    async (request) => {
      demandUnbound(principalOf(request))
      return workerOf(request.params.id)
    },
  )

  server.post(
    '/api/v1/workers/:id/drain',
    {
      schema: {
        ...about(tag, 'Lets a worker take no more runs: it ends with the last one that it has'),
        params: ById,
        response: answers(Worker),
      },
      config: { scope: 'admin' },
    },
    async (request) => {
      demandUnbound(principalOf(request))
      const worker = workerOf(request.params.id)
      const told = await broker.bus.request(workerAddress(worker.id), { op: 'drain' })
      if (told.outcome === 'reply') return { ...worker, status: 'draining' as const }
      throw new CallboardError(
        'CB_E_BROKER_UNAVAILABLE',
        `Worker '${worker.id}' does not answer. It may have ended; else tell it again.`,
      )
    },
  )
}

export function addSettings(server: Server, { settings }: Context): void {
  server.get(
    '/api/v1/settings',
    {
      schema: {
        ...about('settings', 'The settings of this gateway, without secrets'),
        response: answersPage(Setting),
      },
      config: { scope: 'admin' },
    },
    async () => ({ items: SETTING_NAMES.map((name) => shown(name, settings)) }),
  )
}

function shown(name: SettingName, settings: Settings): Setting {
  const value = settings[name]
  const { meaning } = SETTINGS[name]
  const told = typeof value === 'string' ? hideCredentials(value) : value
  return {
    name,
    variable: variableOf(name),
    ...(value === undefined || value instanceof Secret ? {} : { value: told }),
    meaning,
  }
}
