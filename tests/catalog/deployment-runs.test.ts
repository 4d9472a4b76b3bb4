import { describe, expect, test } from 'vitest'
import { openRun } from '../../src/actors/index.ts'
import {
  brokerQueue,
  createDeploymentRun,
  type RunDefaults,
  type RunMaking,
  type RunRequest,
} from '../../src/catalog/index.ts'
import { decodeJson } from '../../src/core/index.ts'
import { type CatalogStage, catalogStage, deployment } from './stage.ts'

const settings: RunDefaults = { gracePeriod: 30_000, lateAfter: 15_000, maxRecoveries: 3 }
const by = { channel: 'test' }
const makingOn = (stage: CatalogStage): RunMaking => ({ ...stage, settings })

async function createdBy(stage: CatalogStage, request: RunRequest) {
  const { run } = await createDeploymentRun(makingOn(stage), request)
  const state = await openRun(stage.broker, stage.deps, run)
  if (state === undefined) throw new Error('There is no run.')
  return state.created
}

const parametersOf = ({ parameters }: { parameters: object }) =>
  decodeJson('v' in parameters ? (parameters.v as never) : null)

const SCHEMA = {
  type: 'object',
  properties: { lat: { type: 'number', maximum: 90 }, unit: { enum: ['C', 'F'], default: 'C' } },
  required: ['lat'],
  additionalProperties: false,
}

describe('a run of a deployment', () => {
  test('waits in the queue of its work queue, and is made as the deployment says', async () => {
    await using stage = await catalogStage()
    await stage.catalog.deployments.create(
      deployment({
        ...{ version: '7', tags: ['a'], pool: 'big', queue: 'fast', runName: 'weather-{lat}' },
        ...{ parameters: { lat: 50 }, retries: 2, timeoutSeconds: 60, onCrash: 'crash', graceSeconds: 1.5 },
        concurrency: ['database'],
      }),
    )
    const created = await createdBy(stage, { deployment: 'weather/prod', tags: ['a', 'b'], by })
    expect(created).toMatchObject({
      flow: 'weather',
      deployment: 'weather/prod',
      flowVersion: '7',
      name: 'weather-50',
      tags: ['a', 'b'],
      policy: {
        ...{ retries: 2, timeoutMs: 60_000, onCrash: 'crash', graceMs: 1_500, maxRecoveries: 3 },
        ...{ lateAfterMs: 15_000, target: { queue: 'big__fast', priority: 1 }, limits: ['database'] },
      },
    })
    expect(await stage.broker.queue.depth(brokerQueue({ pool: 'big', name: 'fast' }))).toBe(1)
  })

  test('has the parameters of the deployment, those of the run in their place, and the defaults of the schema', async () => {
    await using stage = await catalogStage()
    await stage.catalog.deployments.create(deployment({ parameters: { lat: 50 }, parameterSchema: SCHEMA }))
    const own = await createdBy(stage, { deployment: 'weather/prod', parameters: { lat: 10 }, by })
    expect(parametersOf(own)).toEqual({ lat: 10, unit: 'C' })
    expect(parametersOf(await createdBy(stage, { deployment: 'weather/prod', by }))).toEqual({
      lat: 50,
      unit: 'C',
    })
  })

  test('is not made when parameters are wrong; each of them is named by its path', async () => {
    await using stage = await catalogStage()
    await stage.catalog.deployments.create(deployment({ parameterSchema: SCHEMA }))
    const parameters = { lat: 91, unit: 'K', sky: 'blue' }
    await expect(createdBy(stage, { deployment: 'weather/prod', parameters, by })).rejects.toMatchObject({
      code: 'CB_E_PARAMETERS_INVALID',
      details: {
        issues: expect.arrayContaining([
          { path: 'lat', message: 'must be <= 90' },
          { path: 'unit', message: expect.any(String) },
          { path: 'sky', message: 'is not asked for' },
        ]),
      },
    })
    await expect(createdBy(stage, { deployment: 'weather/prod', by })).rejects.toThrow('\n  lat: is missing')
    expect(await stage.broker.queue.depth('default__default')).toBe(0)
  })

  test('is made of a paused deployment too: only its schedules rest', async () => {
    await using stage = await catalogStage()
    await stage.catalog.deployments.create(deployment({ paused: true }))
    await createdBy(stage, { deployment: 'weather/prod', by })
    expect(await stage.broker.queue.depth('default__default')).toBe(1)
  })

  test('waits for its time', async () => {
    await using stage = await catalogStage()
    await stage.catalog.deployments.create(deployment())
    const scheduledTime = stage.deps.clock.now() + 60_000
    const created = await createdBy(stage, { deployment: 'weather/prod', scheduledTime, by })
    expect(created.scheduledTime).toBe(scheduledTime)
    expect(await stage.broker.queue.depth('default__default')).toBe(0)
  })

  test('is the same one for the same idempotency key', async () => {
    await using stage = await catalogStage()
    await stage.catalog.deployments.create(deployment())
    const request = { deployment: 'weather/prod', idempotencyKey: 'monday', by }
    const first = await createDeploymentRun(makingOn(stage), request)
    expect(await createDeploymentRun(makingOn(stage), request)).toEqual({ run: first.run, existing: true })
  })
})

describe('a run of a flow', () => {
  test('is one of its only deployment', async () => {
    await using stage = await catalogStage()
    await stage.catalog.deployments.create(deployment({ name: 'night' }))
    await stage.catalog.deployments.create(deployment({ flow: 'other' }))
    expect(await createdBy(stage, { flow: 'weather', by })).toMatchObject({ deployment: 'weather/night' })
  })

  test.each([
    [['default', 'dev', 'prod'], 'default'],
    [['dev', 'prod'], 'dev'],
  ])('of which there are %j is one of %s', async (names, meant) => {
    await using stage = await catalogStage()
    for (const name of names) await stage.catalog.deployments.create(deployment({ name }))
    expect(await createdBy(stage, { flow: 'weather', by })).toMatchObject({ deployment: `weather/${meant}` })
  })

  test('is not made when several may be meant; all of them are named', async () => {
    await using stage = await catalogStage()
    for (const name of ['day', 'night']) await stage.catalog.deployments.create(deployment({ name }))
    await expect(createdBy(stage, { flow: 'weather', by })).rejects.toMatchObject({
      code: 'CB_E_DEPLOYMENT_AMBIGUOUS',
      message: expect.stringContaining('weather/day, weather/night'),
    })
  })

  test('that nobody has deployed is not made; the nearest name is told', async () => {
    await using stage = await catalogStage()
    await stage.catalog.deployments.create(deployment())
    await expect(createdBy(stage, { flow: 'waether', by })).rejects.toMatchObject({
      code: 'CB_E_FLOW_UNKNOWN',
      message: expect.stringContaining("Did you mean 'weather'?"),
    })
    await expect(createdBy(stage, { deployment: 'weather/prd', by })).rejects.toMatchObject({
      code: 'CB_E_CATALOG_MISSING',
      message: expect.stringContaining("Did you mean 'weather/prod'?"),
    })
  })
})
