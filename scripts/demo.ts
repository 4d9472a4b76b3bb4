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
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createClient } from '../src/client/index.ts'
import { Narrator } from './demo/narrator.ts'
import { Processes } from './demo/processes.ts'
import { killedWorker, stuckRun, weatherPipeline } from './demo/scenes.ts'
import { startWeatherService } from './demo/weather-service.ts'

const { values } = parseArgs({ options: { broker: { type: 'string' } } })
const home = await mkdtemp(join(tmpdir(), 'callboard-demo-'))
const broker = values.broker ?? `embedded:${join(home, 'broker')}`
const narrator = new Narrator()

try {
  await using service = await startWeatherService({ Lisbon: 2, Oslo: 1 })
  const stepsFile = join(home, 'steps.txt')
  await using processes = new Processes({
    CALLBOARD_HOME: home,
    CALLBOARD_BROKER_URL: broker,
    CALLBOARD_WORKER_LEASE: '2s',
    CALLBOARD_RECOVERY_AFTER: '2s',
    WEATHER_URL: service.url,
    STEPS_FILE: stepsFile,
  })

  narrator.chapter('Starting: a gateway with a scheduler, and two workers')
  narrator.say(`the broker is ${broker}`)
  const server = processes.callboard('server', 'start', '--port', '0')
  const [, url = ''] = await server.says(/^Listening on (\S+)/)
  narrator.say(`the gateway listens on ${url}`)
  const workers = ['anna', 'bruno'].map((name) =>
    processes.callboard('worker', 'start', '--name', name, '--limit', '4'),
  )
  await Promise.all(workers.map((worker) => worker.says(/started: pool/)))
  narrator.say(`workers: ${workers.map(({ pid }) => `process ${pid}`).join(', ')}`)
  const deploying = processes.callboard('deploy', 'scripts/demo/flows.ts', '--url', url)
  narrator.expect('the three flows are deployed', (await deploying.ended) === 0, deploying.lines)

  const client = createClient({ url })
  const stage = { client, narrator, processes, workers, url }
  await weatherPipeline(stage, service)
  await killedWorker(stage, async () => (await readFile(stepsFile, 'utf8')).trimEnd().split('\n').map(Number))
  await stuckRun(stage)
  client.close()
} catch (error) {
  narrator.expect('the demo runs to its end', false, error instanceof Error ? error.stack : error)
} finally {
  await rm(home, { recursive: true, force: true })
}
narrator.conclude()
process.exitCode = narrator.deviations.length === 0 ? 0 : 1
