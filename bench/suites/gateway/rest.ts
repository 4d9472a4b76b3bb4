/**
 * W2 and W5 as users have them: a client in another process starts a run by `POST`, or resumes one, and sees on its socket
 * that it has completed. Gateway and engine are in this process, as in `callboard dev`. The floor's client has a process of
 * its own too where there is a server.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Program } from '../../../src/actors/index.ts'
import { brokerQueue, createPool, openCatalog } from '../../../src/catalog/index.ts'
import { optionsSource, resolveSettings, systemDeps } from '../../../src/core/index.ts'
import { createGateway } from '../../../src/gateway/index.ts'
import type { Client } from '../../lib/clients/client.ts'
import { clientElsewhere } from '../../lib/clients/elsewhere.ts'
import { openEngine } from '../../lib/engine-stage.ts'
import type { Row, Target } from '../../lib/results.ts'
import type { Stand } from '../../lib/stands.ts'
import { oneAfterAnother, resumed } from '../engine/clients.ts'

const SAMPLES = { full: { runs: 300, resumes: 100 }, quick: { runs: 50, resumes: 20 } } as const
const POOL = 'rest'

interface Targets {
  readonly run?: Target
  readonly resume?: Target
}

function targetsOf({ broker }: Stand): Targets {
  if (broker.capabilities.driver !== 'nats') return {}
  return { run: { kind: 'times', atMost: 2.5 }, resume: { kind: 'times', atMost: 2 } }
}

export async function* measureRest(stand: Stand, quick: boolean): AsyncGenerator<Row> {
  const { broker, floor, url } = stand
  const samples = SAMPLES[quick ? 'quick' : 'full']
  const targets = targetsOf(stand)
  const deps = systemDeps()
  const catalog = openCatalog(broker, deps)
  await createPool(catalog, { name: POOL })
  const folder = await mkdtemp(join(tmpdir(), 'callboard-rest-'))
  const options = { brokerUrl: url, serverPort: 0, serverRateLimit: 0, serverStore: folder }
  const { settings } = resolveSettings([optionsSource('the bench', options)], { home: '/' })
  const gateway = createGateway({ broker, deps, settings })
  await gateway.start()
  const stage = await openEngine(broker, brokerQueue({ pool: POOL, name: 'default' }))
  const clients = new AsyncDisposableStack()
  const adopt = (client: Client) => clients.adopt(client, (adopted) => adopted.stop())
  const deploy = async (program: Program) => {
    const flow = stage.define(program)
    await catalog.deployments.put({
      ...{ flow, name: POOL, path: '.', entrypoint: 'flows.ts', pool: POOL, queue: 'default' },
      ...{ tags: [], parameters: {}, paused: false },
    })
    return `${flow}/${POOL}`
  }
  try {
    const ours = adopt(await clientElsewhere({ by: 'rest', gateway: gateway.url }))
    const bare = floor && adopt(await floor.client())
    const against = (target: Target | undefined) => ({ ours, floor: bare, target })
    const oneTask = await deploy(async (session) => session.task({ task: 'step' }, () => ({ i: 0, v: 1 })))
    yield await oneAfterAnother(
      'W2 one-task run by REST, one after another',
      ...([oneTask, samples.runs, against(targets.run)] as const),
    )
    const pausing = await deploy(async (session) => {
      await session.pause()
      return 'resumed'
    })
    yield await resumed(
      'W5 resume by REST, to completed',
      ...([pausing, samples.resumes, against(targets.resume)] as const),
    )
  } finally {
    await clients.disposeAsync()
    await stage.close()
    await gateway.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
