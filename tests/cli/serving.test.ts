/** Commands that stay: server, workers, served flows, tasks and shell commands, streams of events; each a process. */

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FIXTURES, type Home, makeHome, type Running } from './support/callboard.ts'

let home: Home
let server: Running
/** Commands in the folder of the flows, at that gateway. */
let here: Pick<Home, 'run' | 'start'>

beforeAll(async () => {
  home = await makeHome()
  server = home.start('server', 'start', '--port', '0')
  const [, url = ''] = await server.says(/^Listening on (\S+)/m)
  here = home.with({ env: { CALLBOARD_URL: url }, cwd: FIXTURES })
}, 120_000)
afterAll(() => home[Symbol.asyncDispose](), 60_000)

/** Programs start slowly on a busy machine. */
const PATIENT = { timeout: 120_000 }

describe('a worker', PATIENT, () => {
  test('runs what is deployed, says who it is, and ends when it is drained', async () => {
    const worker = here.start('worker', 'start', '--name', 'anna', '--limit', '2')
    await worker.says(/Worker 'anna' started/)
    const deployed = await here.run(
      'deploy',
      'flows.ts',
      '--name',
      'prod',
      '--tag',
      'cli',
      '-p',
      'numbers=[7]',
    )
    expect(deployed.out).toContain('sums/prod → pool default, queue default')
    const run = await here.run('deployment', 'run', 'sums/prod', '--watch')
    expect([run.code, run.out]).toEqual([0, expect.stringContaining('result: 14')])
    const { out } = await here.run('worker', 'ls')
    expect(out).toMatch(/anna +ready +default\/default +0\/2/)
    expect((await here.run('worker', 'drain', 'anna')).code).toBe(0)
    expect((await worker.ended).code).toBe(0)
    expect((await here.run('worker', 'drain', 'anna')).err).toContain("There is no worker 'anna'")
  })

  test('that takes what waits and nothing more ends by itself', async () => {
    await here.run('deploy', 'flows.ts', '--name', 'prod')
    await here.run('deployment', 'run', 'sums/prod', '--name', 'waiting')
    const { code, err } = await here.run('worker', 'start', '--run-once', '--name', 'bruno')
    expect([code, err]).toEqual([0, expect.stringContaining("Worker 'bruno' stopped")])
    expect((await here.run('flow-run', 'inspect', 'waiting')).out).toContain('Completed')
  })

  test('of a pool that is none says how to make it', async () => {
    const { code, err } = await here.run('worker', 'start', '--pool', 'nowhere')
    expect([code, err]).toEqual([1, expect.stringContaining('callboard work-pool create nowhere')])
  })

  test('and the server end with 0 when they are told to stop', async () => {
    const worker = here.start('worker', 'start', '--name', 'carla')
    await worker.says(/Worker 'carla' started/)
    worker.child.kill('SIGTERM')
    expect((await worker.ended).code).toBe(0)
  })
})

describe('deployments', PATIENT, () => {
  test('are made from callboard.config.ts, each as it says there', async () => {
    await using own = await makeHome()
    const config = {
      deployments: [
        {
          entrypoint: `${join(FIXTURES, 'flows.ts')}:sums`,
          name: 'nightly',
          tags: ['night'],
          parameters: { numbers: [1] },
        },
      ],
    }
    await writeFile(join(own.folder, 'callboard.config.ts'), `export default ${JSON.stringify(config)}`)
    const [, url = ''] = (await server.says(/^Listening on (\S+)/m)) ?? []
    const at = own.with({ env: { CALLBOARD_URL: url } })
    expect((await at.run('deploy', '--all')).out).toContain('sums/nightly')
    const shown = await at.run('deployment', 'inspect', 'sums/nightly', '--json')
    expect(JSON.parse(shown.out)).toMatchObject({ tags: ['night'], parameters: { numbers: [1] } })
  })

  test('of a file without flows, and of one that cannot be loaded, are refused', async () => {
    const none = await here.run('deploy', 'support.ts')
    expect([none.code, none.err]).toEqual([2, expect.stringContaining('There is no file')])
    const broken = join(home.folder, 'broken.ts')
    await writeFile(broken, "throw new Error('not today')")
    const thrown = await here.run('deploy', broken)
    expect([thrown.code, thrown.err]).toEqual([
      1,
      expect.stringMatching(/could not be loaded: Error: not today\n[\s\S]*broken\.ts:1:7/),
    ])
    expect(thrown.err).not.toContain('node:internal')
    const empty = join(home.folder, 'empty.ts')
    await writeFile(empty, 'export const nothing = 1')
    const nothing = await here.run('deploy', empty)
    expect([nothing.code, nothing.err]).toEqual([1, expect.stringContaining('exports no flow')])
  })
})

describe('what is served', PATIENT, () => {
  test('a flow of a file takes its runs here until it is stopped', async () => {
    const serving = here.start('flow', 'serve', 'flows.ts:sums', '--name', 'served', '-p', 'numbers=[3]')
    await serving.says(/Start a run: callboard deployment run sums\/served/)
    const { code, out } = await here.run('deployment', 'run', 'sums/served', '--watch')
    expect([code, out]).toEqual([0, expect.stringContaining('result: 6')])
    serving.child.kill('SIGTERM')
    expect((await serving.ended).code).toBe(0)
  })

  test('a shell command is a deployment whose output is the log', async () => {
    const serving = here.start('shell', 'serve', 'echo from the shell', '--name', 'greet')
    await serving.says(/callboard deployment run shell-command\/greet/)
    const { code, out } = await here.run('deployment', 'run', 'shell-command/greet', '--watch')
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/INFO +from the shell[\s\S]*result: from the shell/),
    ])
    serving.child.kill('SIGTERM')
    await serving.ended
  })

  test('tasks of a file run for whoever delays them', async () => {
    const serving = here.start('task', 'serve', 'flows.ts')
    await serving.says(/Serving: shout/)
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['-C', 'callboard-source', join(FIXTURES, 'delay.ts')],
      { env: { PATH: process.env.PATH, HOME: home.folder, CALLBOARD_HOME: join(home.folder, 'home') } },
    )
    expect(stdout).toContain('HEARD YOU')
    serving.child.kill('SIGTERM')
    await serving.ended
  })
})

test('events are streamed as they happen', PATIENT, async () => {
  const stream = here.start('event', 'stream', '--json', '--event', 'flow-run.*')
  // It says nothing before the first event, so runs are made until one is seen.
  await here.run('deploy', 'flows.ts', '--name', 'prod')
  const seen = stream.says(/"flow-run\.Scheduled"/)
  let isSeen = false
  void seen.then(() => {
    isSeen = true
  })
  while (!isSeen) await here.run('deployment', 'run', 'asking/prod')
  stream.child.kill('SIGTERM')
  const { out } = await stream.ended
  for (const line of out.trimEnd().split('\n'))
    expect(JSON.parse(line)).toMatchObject({ event: expect.stringMatching(/^flow-run\./) })
})
