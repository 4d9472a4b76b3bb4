/**
 * `npm run demo`: the whole of it, from the sources, with nothing running before: broker, gateway, two workers, and runs
 * that meet a failing service, a person, a killed worker and code that never ends. Ends with 0 when everything went as it
 * should.
 *
 *   npm run demo                                  over the embedded broker
 *   npm run demo -- --broker nats://host:4222     over a NATS server
 */

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { createClient } from '../src/client/index.ts'
import { Narrator } from './demo/narrator.ts'
import { Processes } from './demo/processes.ts'
import { killedWorker, stuckRun, weatherPipeline } from './demo/scenes.ts'
import { startWeatherService } from './demo/weather-service.ts'

const { values } = parseArgs({ options: { broker: { type: 'string' } } })
const home = await mkdtemp(join(tmpdir(), 'callboard-demo-'))
const broker = values.broker ?? `embedded:${join(home, 'broker')}`
/** Its own, on a broker that others use as well. */
const pool = `demo-${basename(home).slice(-6)}`
const narrator = new Narrator()
const processes = new Processes({
  CALLBOARD_HOME: home,
  CALLBOARD_BROKER_URL: broker,
  CALLBOARD_WORKER_LEASE: '2s',
  STEPS_FILE: join(home, 'steps.txt'),
})

async function play(): Promise<void> {
  await using service = await startWeatherService({ Lisbon: 2, Oslo: 1 })
  narrator.chapter('Starting: a gateway with a scheduler, and two workers')
  narrator.say(`the broker is ${broker}`)
  processes.set('WEATHER_URL', service.url)
  const server = processes.callboard('server', 'start', '--port', '0')
  const [, url = ''] = await server.says(/^Listening on (\S+)/)
  narrator.say(`the gateway listens on ${url}`)
  const client = createClient({ url })
  await client.workPools.create({ name: pool })
  const deploying = processes.callboard(
    ...['deploy', 'scripts/demo/flows.ts', '--url', url, '--name', pool, '--pool', pool],
  )
  const workers = ['anna', 'bruno'].map((name) =>
    processes.callboard('worker', 'start', '--pool', pool, '--name', name, '--limit', '4'),
  )
  await Promise.all(workers.map((worker) => worker.says(/started: pool/)))
  narrator.say(`workers: anna (process ${workers[0]?.pid}), bruno (process ${workers[1]?.pid})`)
  narrator.expect('the three flows are deployed', (await deploying.ended) === 0, deploying.lines)

  const stage = { client, deployment: pool, narrator, processes, workers, url }
  await weatherPipeline(stage, service)
  await killedWorker(stage, async () =>
    (await readFile(join(home, 'steps.txt'), 'utf8')).trimEnd().split('\n').map(Number),
  )
  await stuckRun(stage)
  for (const flow of ['weather', 'long-haul', 'stuck']) await client.deployments.delete([flow, pool])
  client.close()
}

/** Something hangs: said, instead of waited for. */
const LIMIT_MS = 120_000
const deadline = new Promise<never>((_, reject) => {
  setTimeout(() => reject(new Error(`It is not over after ${LIMIT_MS / 1_000} s.`)), LIMIT_MS).unref()
})

try {
  await Promise.race([play(), deadline])
} catch (error) {
  narrator.expect('the demo runs to its end', false, error instanceof Error ? error.stack : error)
} finally {
  await processes[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
}
narrator.conclude()
process.exit(narrator.deviations.length === 0 ? 0 : 1)
