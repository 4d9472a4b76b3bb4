/** The three scenes of the demo. */

import type { GatewayClient, RunFold } from '../../src/client/index.ts'
import type { Narrator } from './narrator.ts'
import type { Processes, Started } from './processes.ts'
import type { WeatherService } from './weather-service.ts'

export interface Stage {
  readonly client: GatewayClient
  /** What the deployments are called behind their flows. */
  readonly deployment: string
  readonly narrator: Narrator
  readonly processes: Processes
  readonly workers: readonly Started[]
  readonly url: string
}

const CITIES = ['Lisbon', 'Oslo', 'Rome', 'Vienna', 'Paris', 'Accra', 'Lima', 'Quito', 'Dakar', 'Hanoi']

/** A service that fails at first, one task for each city, and a person who is asked. */
export async function weatherPipeline(
  { client, deployment, narrator, processes, url }: Stage,
  service: WeatherService,
): Promise<void> {
  narrator.chapter(
    `1. A pipeline: ${CITIES.length} forecasts from a service that is not at its best, and a person who is asked`,
  )
  const { id } = await client.flowRuns.start({
    deployment: `weather/${deployment}`,
    parameters: { cities: CITIES },
  })
  const approver = processes.node('scripts/demo/approver.ts', url, id)
  const fold = await narrator.follow(client, id)
  const approved = await approver.ended
  for (const line of approver.lines) narrator.say(`  approver (process ${approver.pid}): ${line}`)

  const retried = fold.taskRuns.filter(({ runCount }) => runCount > 1)
  narrator.expect(
    `the service refused ${service.refused} calls, and each was tried again after a longer wait`,
    service.refused === 3 && retried.length === 2,
    retried.map(({ key, runCount }) => ({ key, runCount })),
  )
  narrator.expect('every city has its forecast', completed(fold, 'fetch-forecast') === CITIES.length)
  narrator.expect('another process resumed it over the live socket', approved === 0, approver.lines)
  narrator.expect(
    'the run gave what was approved',
    fold.run?.state.data === 'published: 12.3 °C',
    fold.run?.state,
  )
}

const STEPS = 12
const KILLED_AFTER = 4

/** The worker that hosts a run is killed; another one goes on. */
export async function killedWorker(
  { client, deployment, narrator, workers }: Stage,
  stepsDone: () => Promise<readonly number[]>,
): Promise<void> {
  narrator.chapter(`2. A run of ${STEPS} steps whose worker is killed with -9 in the middle`)
  const { id } = await client.flowRuns.start({
    deployment: `long-haul/${deployment}`,
    parameters: { steps: STEPS },
  })
  let killed: Started | undefined
  let killedAt = 0
  let wentOnAfter: number | undefined
  const hosts = new Set<number>()
  const fold = await narrator.follow(client, id, async (item) => {
    if (killed !== undefined && item.kind === 'state' && item.data.state.type === 'RUNNING')
      wentOnAfter ??= performance.now() - killedAt
    const [, number, pid] =
      (item.kind === 'log' && /^step (\d+) in the worker with process (\d+)/.exec(item.data.message)) || []
    if (number === undefined) return
    hosts.add(Number(pid))
    if (killed !== undefined || Number(number) < KILLED_AFTER) return
    killed = workers.find((worker) => worker.pid === Number(pid))
    narrator.say(`kill -9 ${pid}`)
    await killed?.kill()
    killedAt = performance.now()
  })
  const steps = await stepsDone()
  const twice = steps.length - new Set(steps).size
  narrator.expect('the worker that hosted the run was killed', killed !== undefined, [...hosts])
  narrator.expect(
    `the run went on in the other worker, ${((wentOnAfter ?? 0) / 1_000).toFixed(1)} s later`,
    hosts.size === 2 && wentOnAfter !== undefined,
    [...hosts],
  )
  narrator.expect(
    'every step is done, at most the one it died in twice',
    new Set(steps).size === STEPS && twice <= 1,
    steps,
  )
  narrator.expect(
    'the result is as if nothing had happened',
    fold.run?.state.data === (STEPS * (STEPS + 1)) / 2,
    fold.run?.state,
  )
  narrator.expect(
    'the run says that it was recovered once',
    (await client.flowRuns.get(id)).recoveryCount === 1,
  )
}

/** `for (;;)` hears nothing: it is cancelled all the same. */
export async function stuckRun({ client, deployment, narrator }: Stage): Promise<void> {
  narrator.chapter('3. A run that never gives its thread back, cancelled with a grace of one second')
  const { id } = await client.flowRuns.start({ deployment: `stuck/${deployment}` })
  let answer: string | undefined
  const fold = await narrator.follow(client, id, async (item) => {
    if (item.kind !== 'log' || answer !== undefined) return
    const { outcome } = await client.flowRuns.cancel(id, { graceMs: 1_000 })
    answer = outcome
    narrator.say(`cancel: ${outcome}`)
  })
  narrator.expect('the stuck run is cancelled', fold.run?.state.type === 'CANCELLED', fold.run?.state)
}

function completed({ taskRuns }: RunFold, task: string): number {
  return taskRuns.filter((run) => run.task === task && run.state.type === 'COMPLETED').length
}
