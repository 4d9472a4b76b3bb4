/** `callboard concurrency-limit reset` against a gateway and a scheduler in this process. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { SLOTS_SUBJECT } from '../../src/actors/index.ts'
import { createScheduler, type Scheduler } from '../../src/scheduler/index.ts'
import { startGateway, type TestGateway } from '../gateway/support/gateway.ts'
import { say } from './support/in-process.ts'

let gateway: TestGateway
let scheduler: Scheduler
beforeAll(async () => {
  gateway = await startGateway()
  expect((await callboard('gcl', 'create', 'gpu', '--slots', '2')).code).toBe(0)
  scheduler = createScheduler(gateway.broker, gateway.deps)
  await scheduler.start()
})
afterAll(async () => {
  await scheduler?.stop()
  await gateway?.[Symbol.asyncDispose]()
})

const callboard = (...args: readonly string[]) =>
  say(args, { folder: '/nowhere', environment: { CALLBOARD_URL: gateway.url } })

async function hold(run: string, task: string, occupy: number): Promise<void> {
  const want = { holder: { run, task }, limits: ['gpu'], since: 0, occupy }
  const ask = () => gateway.broker.bus.request(SLOTS_SUBJECT, { op: 'acquire', worker: 'w', want })
  let reply = await ask()
  while (reply.outcome !== 'reply') reply = await ask()
  expect(reply.value).toMatchObject({ is: 'granted' })
}

test('a limit is reset once that is meant, and the command says what was freed and who had it', async () => {
  await hold('run-1', 'train-0', 2)
  const asked = await callboard('concurrency-limit', 'reset', 'gpu')
  expect([asked.code, asked.err]).toEqual([2, expect.stringContaining('add --yes')])
  const { code, out } = await callboard('concurrency-limit', 'reset', 'gpu', '--yes')
  expect([code, out]).toEqual([
    0,
    expect.stringMatching(
      /^gpu reset: 2 slots given back\nRUN +TASK RUN +SLOTS\nrun-1 +run-1\.train-0 +2\n$/,
    ),
  ])
  expect(await callboard('gcl', 'reset', 'gpu', '--yes')).toMatchObject({
    code: 0,
    out: 'gpu reset: 0 slots given back\n',
  })
})

test('a limit that is reset is JSON when that is asked for', async () => {
  await hold('run-2', 'train-0', 1)
  const { code, out } = await callboard('gcl', 'reset', 'gpu', '--yes', '--json')
  expect(code).toBe(0)
  expect(JSON.parse(out)).toEqual({
    name: 'gpu',
    freed: 1,
    holders: [{ run: 'run-2', taskRun: 'run-2.train-0', slots: 1 }],
  })
})

test('a limit that there is not is an error that names it', async () => {
  const { code, err } = await callboard('gcl', 'reset', 'gup', '--yes')
  expect([code, err]).toEqual([1, expect.stringContaining("There is no concurrency limit 'gup'")])
})
