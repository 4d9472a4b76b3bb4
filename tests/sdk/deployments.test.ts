import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { openCatalog } from '../../src/catalog/index.ts'
import { currentEngine } from '../../src/sdk/current-engine.ts'
import { flow, runDeployment, runtime, type Serving, sleep, task } from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()
const play = <T>(code: () => Promise<T>) => stage.harness.run(code)
const catalog = async () => {
  const { broker, deps } = (await currentEngine()).env
  return openCatalog(broker, deps)
}

let serving: Serving | undefined
afterEach(async () => {
  if (serving !== undefined) await play(async () => serving?.stop())
  serving = undefined
})

describe('a deployment', () => {
  test('has in the catalogue what workers need to know of the flow', async () => {
    const deployed = flow(
      {
        name: 'deployed',
        description: 'All of it',
        tags: ['a'],
        version: '7',
        retries: 2,
        timeoutSeconds: '1m',
        graceSeconds: 5,
        maxRecoveries: 1,
        concurrency: 'database',
        runName: 'deployed-{lat}',
        parameters: z.object({ lat: z.number().default(1) }),
      },
      async function deployedFlow() {},
    )
    const id = await play(() =>
      deployed.deploy({
        name: 'prod',
        tags: ['b'],
        parameters: { lat: 2 },
        concurrency: { limit: 3, onFull: 'cancelNew' },
      }),
    )
    expect(id).toBe('deployed/prod')
    expect(await play(async () => (await catalog()).deployments.get(id))).toMatchObject({
      name: 'prod',
      flow: 'deployed',
      description: 'All of it',
      version: '7',
      tags: ['a', 'b'],
      parameters: { lat: 2 },
      parameterSchema: { type: 'object', properties: { lat: { type: 'number', default: 1 } } },
      path: process.cwd(),
      entrypoint: 'tests/sdk/deployments.test.ts:deployedFlow',
      pool: 'default',
      queue: 'default',
      retries: 2,
      timeoutSeconds: 60,
      graceSeconds: 5,
      maxRecoveries: 1,
      concurrency: ['database'],
      limit: 3,
      limitStrategy: 'cancelNew',
      runName: 'deployed-{lat}',
      paused: false,
    })
  })

  test('that names its code itself is taken at its word, and replaced when it is deployed again', async () => {
    const moved = flow('deployed-moved', async () => {})
    await play(() => moved.deploy({ entrypoint: 'flows.ts:moved', path: '/srv/one' }))
    await play(() => moved.deploy({ entrypoint: 'flows.ts:moved', path: '/srv/two' }))
    const all = await play(async () => (await catalog()).deployments.list())
    expect(all).toMatchObject([{ name: 'default', path: '/srv/two', entrypoint: 'flows.ts:moved' }])
  })

  test('for a pool that is not there is refused, and so is an option that is none', async () => {
    const lost = flow('deployed-lost', async () => {})
    await expect(play(() => lost.deploy({ pool: 'nowhere' }))).rejects.toMatchObject({
      code: 'CB_E_CATALOG_MISSING',
    })
    await expect(play(() => lost.deploy({ pol: 'x' } as never))).rejects.toThrow('Did you mean pool?')
    await expect(play(() => lost.serve({ limt: 1 } as never))).rejects.toThrow('Did you mean limit?')
  })
})

describe('a flow that is served', () => {
  test('runs what is started by its id, with the parameters of the deployment and those of the run', async () => {
    const served = flow('served-1', async (given: { a?: number; b?: number }) => ({
      ...given,
      deployment: runtime.deployment.name,
      tags: runtime.flowRun.tags,
    }))
    serving = await play(() => served.serve({ name: 'here', parameters: { a: 1, b: 1 }, tags: ['x'] }))
    expect(serving.deployment).toBe('served-1/here')
    const run = await play(() => runDeployment('served-1/here', { parameters: { b: 2 }, tags: ['y'] }))
    expect(await play(() => run.result())).toEqual({
      a: 1,
      b: 2,
      deployment: 'served-1/here',
      tags: ['x', 'y'],
    })
  })

  test('takes what came while nobody served it, and is paused when it stops', async () => {
    const served = flow('served-2', async () => 'done')
    serving = await play(() => served.serve())
    await play(async () => serving?.stop())
    await play(async () => serving?.stopped)
    const deployments = async () => (await catalog()).deployments.get('served-2/default')
    expect((await play(deployments)).paused).toBe(true)
    const run = await play(() => runDeployment('served-2/default', { timeout: 60 }))
    expect((await play(() => run.state())).name).toBe('Late')
    serving = await play(() => served.serve())
    expect((await play(deployments)).paused).toBe(false)
    expect(await play(() => run.result())).toBe('done')
  })

  test('runs no more at a time than its limit here, and than its concurrency anywhere', async () => {
    let running = 0
    let most = 0
    const work = async () => {
      most = Math.max(most, ++running)
      await task('served-work', () => sleep(10))()
      running--
    }
    for (const options of [{ limit: 2 }, { concurrency: 2 }]) {
      most = 0
      const name = 'limit' in options ? 'here' : 'anywhere'
      const served = flow(`served-3-${name}`, work)
      serving = await play(() => served.serve({ name, ...options }))
      await stage.harness.advance('1m')
      const runs = await play(() =>
        Promise.all(
          Array.from({ length: 5 }, () => runDeployment(`served-3-${name}/${name}`, { timeout: 0 })),
        ),
      )
      await play(() => Promise.all(runs.map((run) => run.result())))
      expect(most, name).toBe(2)
      await play(async () => serving?.stop())
    }
  })
})

describe('runDeployment()', () => {
  const inner = flow('run-inner', async ({ n }: { n: number }) => {
    await sleep('1h')
    return n * 2
  })

  test('inside a flow starts a child run, found again in a replay', async () => {
    serving = await play(() => inner.serve())
    const { id, state } = await stage.play(
      flow('run-outer', async () => {
        const run = await runDeployment<number>('run-inner/default', { parameters: { n: 21 } })
        await sleep('1d')
        return [run.id, await run.result()]
      }),
    )
    const [child, result] = state.data as [string, number]
    expect(result).toBe(42)
    const { children } = await stage.harness.until(stage.harness.client.inspect(id))
    expect([...children.values()].map(({ run }) => run)).toEqual([child])
    const { created } = await stage.harness.until(stage.harness.client.inspect(child))
    expect(created).toMatchObject({ parent: { run: id }, deployment: 'run-inner/default' })
  })

  test('is one run for each idempotency key, and no child then', async () => {
    serving = await play(() => inner.serve())
    const { state } = await stage.play(
      flow('run-outer-2', async () => {
        const options = { parameters: { n: 1 }, idempotencyKey: 'today', timeout: 0 }
        const first = await runDeployment('run-inner/default', options)
        const second = await runDeployment('run-inner/default', options)
        return [first.id === second.id, await first.result()]
      }),
    )
    expect(state.data).toEqual([true, 2])
  })

  test('waits no longer than it is told; the run goes on', async () => {
    serving = await play(() => inner.serve())
    const run = await play(() => runDeployment('run-inner/default', { parameters: { n: 1 }, timeout: '1m' }))
    expect((await play(() => run.state())).isFinal()).toBe(false)
    expect(await play(() => run.result())).toBe(2)
    const names: string[] = []
    await play(async () => {
      for await (const { name } of run.events()) names.push(name)
    })
    expect(names.at(-1)).toBe('Completed')
  })

  test('of what is not there, or with parameters that do not fit, is refused', async () => {
    const strict = flow({ name: 'run-strict', parameters: z.object({ n: z.number() }) }, async () => {})
    await play(() => strict.deploy())
    await expect(play(() => runDeployment('run-strict/nowhere'))).rejects.toMatchObject({
      code: 'CB_E_CATALOG_MISSING',
    })
    await expect(
      play(() => runDeployment('run-strict/default', { parameters: { n: 'x' } })),
    ).rejects.toMatchObject({ code: 'CB_E_PARAMETERS_INVALID' })
  })
})
