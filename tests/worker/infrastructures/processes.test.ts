/** Child processes as a whole: spares, their guard, the death of their worker. */

import { execFile, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { systemDeps } from '../../../src/core/index.ts'
import { stressService } from '../../../src/testing/index.ts'
import { Processes } from '../../../src/worker/infrastructures/processes.ts'
import { FIXTURES, infrastructureStage, isAlive, resultOf, type Stage, untilGone } from './stage.ts'

const PATIENCE = { timeout: 60_000 }

interface Surroundings {
  readonly cwd: string
  readonly hello?: string
  readonly pid: number
}

async function surroundings(stage: Stage): Promise<Surroundings> {
  return resultOf(await stage.end(await stage.start('flows.ts:surroundings'))) as Surroundings
}

/** The processes of this worker: their command lines, by process id. */
async function childrenOf(pid: number): Promise<ReadonlyMap<number, string>> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=,args=', '--ppid', String(pid)])
  const rows = [...stdout.matchAll(/^\s*(\d+) (.*)$/gm)]
  return new Map(rows.map(([, child, command = '']) => [Number(child), command]))
}

async function programsOf(pid: number, program: string): Promise<readonly number[]> {
  return [...(await childrenOf(pid))].flatMap(([child, command]) =>
    command.includes(`${program}-entry`) ? [child] : [],
  )
}

describe('spares', PATIENCE, () => {
  test('are used once each, and another is there for the next', async () => {
    await using stage = await infrastructureStage('process', { spares: 1 })
    const [first] = await programsOf(process.pid, 'process')
    const one = await surroundings(stage)
    expect(one).toEqual({ cwd: FIXTURES, pid: first })
    const two = await surroundings(stage)
    expect(two.pid).not.toBe(one.pid)
  })

  test('take the variables of a deployment; what Node looks at when it starts needs a process of its own', async () => {
    await using stage = await infrastructureStage('process', { plan: { env: { HELLO: 'world' } } })
    const spare = await programsOf(process.pid, 'process')
    const { hello, pid } = await surroundings(stage)
    expect([hello, [pid]]).toEqual(['world', spare])
    await using other = await infrastructureStage('process', {
      plan: { env: { HELLO: 'Node', NODE_NO_WARNINGS: '1' } },
    })
    const before = await programsOf(process.pid, 'process')
    const found = await surroundings(other)
    expect(found.hello).toBe('Node')
    expect(before).not.toContain(found.pid)
  })

  test('are not needed', async () => {
    await using stage = await infrastructureStage('process', { spares: 0 })
    expect(await programsOf(process.pid, 'process')).toEqual([])
    const { state } = await stage.end(await stage.start('flows.ts:sum', { numbers: [1] }))
    expect(state.flow.tag).toBe('COMPLETED.Completed')
  })
})

/** A worker of its own, whose code never yields. */
async function doomedWorker() {
  const worker = spawn(process.execPath, [join(FIXTURES, 'doomed-worker.ts')], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const lines = createInterface({ input: worker.stdout })[Symbol.asyncIterator]()
  const { value: line = 'nothing, and ended' } = await lines.next()
  const [, child, code] = /child (\d+) of (\d+)/.exec(line) ?? []
  expect(code, `the worker said: ${line}`).toBeDefined()
  return {
    pid: worker.pid ?? 0,
    code: Number(code),
    child: Number(child),
    guarded: async () => expect(await lines.next()).toEqual({ done: false, value: 'guarded' }),
    kill: () => worker.kill('SIGKILL'),
    [Symbol.dispose]: () => void worker.kill('SIGKILL'),
  }
}

test('child processes keep the start/stop contract', PATIENCE, async () => {
  const options = { deps: systemDeps(), spares: 1, nodeFlags: [] }
  await stressService(() => new Processes(options).life, { callers: 4, rounds: 1 })
})

test('a folder that is not there is told', PATIENCE, async () => {
  await using stage = await infrastructureStage('process', { plan: { path: '/nowhere' } })
  const { state } = await stage.end(await stage.start('flows.ts:sum'))
  expect(state.state.message).toMatch(/The folder \/nowhere of the deployment cannot be entered: ENOENT/)
})

describe('a worker that is killed', PATIENCE, () => {
  test('leaves nothing behind: neither code that never yields, nor what that has started, nor spares', async () => {
    using worker = await doomedWorker()
    const all = [...(await childrenOf(worker.pid)).keys(), worker.child]
    expect(all).toContain(worker.code)
    expect(all.filter(isAlive)).toEqual(all)
    worker.kill()
    for (const each of all) await untilGone(each)
  })
})

describe('the guard', PATIENCE, () => {
  test('is replaced when it dies, and the new one knows what runs', async () => {
    using worker = await doomedWorker()
    const guards = await programsOf(worker.pid, 'guard')
    expect(guards).toHaveLength(1)
    for (const guard of guards) process.kill(guard, 'SIGKILL')
    await worker.guarded()
    const next = await programsOf(worker.pid, 'guard')
    expect(next).toHaveLength(1)
    worker.kill()
    for (const each of [worker.code, ...next]) await untilGone(each)
  })
})
