/**
 * Commands against a real gateway with a real worker: `callboard dev` over an embedded broker, as one process beside. The
 * commands themselves are in this process, where a program of their own is not what is tested: each takes half a second to load.
 */

import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Environment } from '../../src/core/index.ts'
import { FIXTURES, type Home, makeHome, type Running, type Said } from './support/callboard.ts'
import { say } from './support/in-process.ts'

let home: Home
let dev: Running
let url = ''
/** A command against that gateway, as a program of its own. */
let program: (...args: readonly string[]) => Promise<Said>

/** A command against that gateway. */
const callboard = (...args: readonly string[]): Promise<Said> => callboardWith({}, ...args)

const callboardWith = (environment: Environment, ...args: readonly string[]): Promise<Said> =>
  say(args, {
    folder: home.folder,
    environment: { CALLBOARD_HOME: join(home.folder, 'home'), CALLBOARD_URL: url, ...environment },
  })

beforeAll(async () => {
  home = await makeHome()
  // In the repository the fixture finds the sources beside it; its copy must too.
  const source = await readFile(join(FIXTURES, 'flows.ts'), 'utf8')
  const sdk = join(FIXTURES, '../../../src/sdk/public.ts')
  await writeFile(join(home.folder, 'flows.ts'), source.replace('../../../src/sdk/public.ts', sdk))
  dev = home.start('dev', 'flows.ts', '--port', '0')
  const [, found = ''] = await dev.says(/^Listening on (\S+)/m)
  url = found
  program = home.with({ env: { CALLBOARD_URL: url } }).run
}, 120_000)
afterAll(() => home[Symbol.asyncDispose](), 60_000)

/** Programs start slowly on a busy machine. */
const PATIENT = { timeout: 120_000 }

/** What a command says as JSON; it has to end with 0. */
async function json<T>(...args: readonly string[]): Promise<T> {
  const { code, err, out } = await callboard(...args, '--json')
  if (code !== 0) throw new Error(`callboard ${args.join(' ')} ended with ${code}:\n${err}`)
  return JSON.parse(out)
}

interface Run {
  readonly id: string
  readonly name: string
  readonly state: { readonly type: string; readonly name: string }
}

describe('callboard dev', PATIENT, () => {
  test('says where to look, and has the flows of its files as deployments', async () => {
    await dev.says(/callboard deployment run sums\/dev --watch/)
    const deployments = await json<readonly { readonly id: string }[]>('deployment', 'ls')
    expect(deployments.map(({ id }) => id)).toEqual(['asking/dev', 'failing/dev', 'sums/dev'])
    expect(await json('server', 'status')).toMatchObject({ url, ready: true })
  })

  test('takes new code when the file is saved: for new runs, and for what is deployed', async () => {
    const file = join(home.folder, 'flows.ts')
    const before = await readFile(file, 'utf8')
    await cp(file, join(home.folder, 'before.ts'))
    await writeFile(
      file,
      before.replace('number * 2', 'number * 100').replace("name: 'failing'", "name: 'renamed'"),
    )
    await dev.says(/Reloaded: .*renamed\/dev/)
    const deployments = await json<readonly { readonly id: string }[]>('deployment', 'ls')
    expect(deployments.map(({ id }) => id)).toEqual(['asking/dev', 'renamed/dev', 'sums/dev'])
    const { out } = await callboard('deployment', 'run', 'sums/dev', '-p', 'numbers=[1]', '--watch')
    expect(out).toContain('result: 100')
    await writeFile(file, 'export const broken = (')
    await dev.says(/Not reloaded: [\s\S]*SyntaxError/)
    await writeFile(file, before)
    await dev.says(/Reloaded: .*failing\/dev/)
  })
})

describe('a run of a deployment', PATIENT, () => {
  test('is watched line by line in a pipe, to its result and exit code 0', async () => {
    const { code, out } = await program('deployment', 'run', 'sums/dev', '-p', 'numbers=[4,5]', '--watch')
    expect(out).toMatch(
      /STATE \S+ Running[\s\S]*double-0 Completed[\s\S]*INFO .*doubled 8, 10[\s\S]*result: 18/,
    )
    expect(code).toBe(0)
  })

  test('leaves artifacts, which are told of while it is watched, listed, and shown', async () => {
    const { out } = await callboard('deployment', 'run', 'sums/dev', '--name', 'leaving', '--watch')
    expect(out).toMatch(/MADE {2}leaving table doubled {2}3 rows/)
    const [, hint = ''] = out.match(/^artifacts: callboard (.*)$/m) ?? []
    const [made] = await json<readonly { readonly id: string }[]>(...hint.split(' '))
    const shown = await callboard('artifact', 'inspect', made?.id ?? '')
    expect(shown.out).toMatch(/\nnumber +doubled\n +1 +2\n +2 +4\n +3 +6\n$/)
  })

  test("that failed and was waited for ends with 1, and shows where in the user's code", async () => {
    const args = ['deployment', 'run', 'failing/dev', '--name', 'unlucky', '--watch']
    const { code, out } = await callboard(...args)
    const trace = /\nError: no luck today\n +at \S+flows\.ts:\d+:\d+\n$/
    expect([code, out]).toEqual([1, expect.stringMatching(trace)])
    expect((await callboard('flow-run', 'inspect', 'unlucky')).out).toMatch(trace)
  })

  test('of a name that is none says so', async () => {
    const { code, err } = await callboard('deployment', 'run', 'sum/dev')
    expect([code, err]).toEqual([1, expect.stringContaining("There is no deployment 'sum/dev'")])
  })

  test('is found by its name, and by the end and the beginning of its id', async () => {
    const run = await json<Run>('deployment', 'run', 'sums/dev', '--name', 'findable')
    for (const text of ['findable', run.id.slice(-8), run.id.slice(0, 20)])
      expect((await json<Run>('flow-run', 'inspect', text)).id).toBe(run.id)
    const none = await callboard('flow-run', 'inspect', 'nobody')
    expect([none.code, none.err]).toEqual([1, expect.stringContaining("No run is called 'nobody'")])
    const many = await callboard('flow-run', 'inspect', run.id.slice(0, 4))
    expect([many.code, many.err]).toEqual([1, expect.stringContaining('give more of the id')])
  })

  test('that asks takes what it asks for and nothing else', async () => {
    const { id } = await json<Run>('deployment', 'run', 'asking/dev')
    const watching = home.with({ env: { CALLBOARD_URL: url } }).start('flow-run', 'watch', id)
    await watching.says(/STATE \S+ Paused\s+How much\?/)
    const wrong = await callboard('flow-run', 'resume', id, '-p', 'amount=much')
    expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('input.amount: must be integer')])
    expect((await callboard('flow-run', 'resume', id, '-p', 'amount=12')).code).toBe(0)
    expect(await watching.ended).toMatchObject({ code: 0, out: expect.stringContaining('result: 12') })
    const late = await callboard('flow-run', 'pause', id)
    expect([late.code, late.err]).toEqual([1, expect.stringMatching(/is Completed[\s\S]*It takes: retry/)])
    const lines = await callboard('flow-run', 'logs', id)
    expect(lines.out).toContain('somebody has to say so')
    const states = await json<readonly { readonly state: Run['state'] }[]>('flow-run', 'history', id)
    expect(states.map(({ state }) => state.name)).toContain('Paused')
  })

  test('is told with others, after they were counted', async () => {
    for (const name of ['bulk-1', 'bulk-2'])
      await json('deployment', 'run', 'asking/dev', '--name', name, '--tag', 'bulk')
    const filter = ['flow-run', 'cancel', '--all', '--tag', 'bulk']
    expect(await callboard(...filter, '--dry-run')).toMatchObject({ code: 0, out: '2 runs match.\n' })
    expect(await callboard(...filter)).toMatchObject({ code: 2, err: expect.stringContaining('add --yes') })
    expect(await callboard(...filter, '--yes')).toMatchObject({ code: 0, out: '2 told to cancel.\n' })
    const ended = await Promise.all(['bulk-1', 'bulk-2'].map((name) => callboard('flow-run', 'watch', name)))
    expect(ended.map(({ code }) => code)).toEqual([1, 1])
    expect((await callboard('flow-run', 'delete', 'bulk-1', 'bulk-2', '--yes')).code).toBe(0)
  })
})

describe('what is defined', PATIENT, () => {
  test('work pools and queues are made, changed, paused and deleted', async () => {
    expect((await callboard('work-pool', 'create', 'gpu', '--limit', '2', '--env', 'A=1')).code).toBe(0)
    expect((await callboard('work-pool', 'update', 'gpu', '--limit', '3')).code).toBe(0)
    expect((await callboard('work-pool', 'pause', 'gpu')).code).toBe(0)
    expect(await json('work-pool', 'inspect', 'gpu')).toMatchObject({
      limit: 3,
      paused: true,
      infrastructure: { env: { A: '1' } },
    })
    expect((await callboard('work-queue', 'create', 'gpu/fast', '--priority', '1')).code).toBe(0)
    expect(await json('work-queue', 'inspect', 'gpu/fast')).toMatchObject({
      pool: 'gpu',
      name: 'fast',
      priority: 1,
    })
    expect(await json('work-queue', 'preview', 'gpu/fast')).toEqual([])
    const twice = await callboard('work-pool', 'create', 'gpu')
    expect([twice.code, twice.err]).toEqual([1, expect.stringContaining('CB_E_CATALOG_EXISTS')])
    const nobody = await callboard('work-pool', 'delete', 'gpu')
    expect([nobody.code, nobody.err]).toEqual([2, expect.stringContaining('add --yes')])
  })

  test('variables are set once, and again only when that is meant', async () => {
    expect((await callboard('variable', 'set', 'city', '{"name":"Oslo"}')).code).toBe(0)
    expect((await callboard('variable', 'set', 'city', 'Rome')).code).toBe(1)
    expect((await callboard('variable', 'set', 'city', 'Rome', '--overwrite')).code).toBe(0)
    expect((await callboard('variable', 'get', 'city')).out).toBe('Rome\n')
    expect((await callboard('variable', 'unset', 'city', '--yes')).code).toBe(0)
    expect((await callboard('variable', 'get', 'city')).code).toBe(1)
  })

  test('blocks are made once, again only when that is meant, and their secrets are never said', async () => {
    const create = (...args: readonly string[]) =>
      callboardWith({ SLACK_TOKEN: 'xoxb-1' }, 'block', 'create', 'slack/alerts', ...args)
    const made = await create(
      '--set',
      'retries=3',
      '--secret',
      'pin=1234',
      '--secret-env',
      'token=SLACK_TOKEN',
    )
    expect(made).toMatchObject({ code: 0, out: 'slack/alerts saved\n' })
    expect(await json('block', 'inspect', 'slack/alerts')).toMatchObject({
      data: { retries: 3, pin: '***', token: '***' },
      secrets: ['pin', 'token'],
    })
    const { out } = await callboard('block', 'ls')
    expect(out).toMatch(/^NAME +FIELDS +SECRET +CHANGED\nslack\/alerts +retries, pin, token +pin, token /)
    expect((await create('--set', 'retries=4')).err).toContain('CB_E_CATALOG_EXISTS')
    expect((await create('--set', 'retries=4', '--overwrite')).code).toBe(0)
    expect(await json('block', 'inspect', 'slack/alerts')).toMatchObject({
      data: { retries: 4 },
      secrets: [],
    })
    const unset = await create('--secret-env', 'token=NO_SUCH')
    expect([unset.code, unset.err]).toEqual([2, expect.stringContaining('NO_SUCH')])
    expect((await callboard('block', 'inspect', 'alerts')).code).toBe(2)
    expect((await callboard('block', 'delete', 'slack/alerts', '--yes')).code).toBe(0)
    expect((await callboard('block', 'inspect', 'slack/alerts')).code).toBe(1)
  })

  test('limits are made, changed and deleted', async () => {
    expect(
      (await callboard('concurrency-limit', 'create', 'db', '--slots', '3', '--decay', '0.5')).code,
    ).toBe(0)
    expect((await callboard('gcl', 'update', 'db', '--slots', '5', '--no-active')).code).toBe(0)
    expect(await json('gcl', 'inspect', 'db')).toMatchObject({ slots: 5, decayPerSecond: 0.5, active: false })
    expect((await callboard('gcl', 'delete', 'db', '--yes')).code).toBe(0)
  })

  test('keys are shown once, listed without themselves, and revoked', async () => {
    const { out } = await callboard('api-key', 'create', 'ci', '--scope', 'run', '--scope', 'read')
    expect(out).toMatch(/^cb_\S{40,}\n$/)
    const listed = await callboard('api-key', 'ls', '--json')
    expect(JSON.parse(listed.out)).toMatchObject([{ name: 'ci', scopes: ['run', 'read'] }])
    expect(listed.out).not.toContain(out.trim())
    expect((await callboard('api-key', 'create', 'no', '--scope', 'everything')).code).toBe(2)
    expect((await callboard('api-key', 'revoke', 'ci', '--yes')).code).toBe(0)
  })
})

describe('every listing', PATIENT, () => {
  test.each([
    ['flow-run', 'ls'],
    ['task-run', 'ls'],
    ['flow', 'ls'],
    ['deployment', 'ls'],
    ['work-pool', 'ls'],
    ['work-queue', 'ls'],
    ['worker', 'ls'],
    ['concurrency-limit', 'ls'],
    ['variable', 'ls'],
    ['block', 'ls'],
    ['api-key', 'ls'],
    ['event', 'ls'],
    ['artifact', 'ls'],
    ['profile', 'ls'],
    ['config', 'view'],
  ])('of %s %s is a JSON array when that is asked for', async (...args) => {
    expect(Array.isArray(await json(...args))).toBe(true)
  })

  test('of a state that looks like a slip is empty, with what may have been meant beside it', async () => {
    const hint = "No run is in a state 'Passed'. Did you mean Paused?"
    for (const group of ['flow-run', 'task-run']) {
      const { code, err, out } = await callboard(group, 'ls', '--state', 'Passed')
      expect([code, out, err], group).toEqual([0, '', expect.stringContaining(hint)])
    }
    const told = await callboard('flow-run', 'cancel', '--all', '--state', 'Passed')
    expect([told.code, told.out, told.err]).toEqual([0, '0 runs match.\n', expect.stringContaining(hint)])
    const misspelt = await callboard('flow-run', 'ls', '--state', 'PASUED')
    expect([misspelt.code, misspelt.err]).toEqual([1, expect.stringContaining('Did you mean PAUSED?')])
  })

  test('is a table without colours in a pipe, and survives a reader that has enough', async () => {
    const { out } = await callboard('flow-run', 'ls')
    expect(out).toMatch(/^ID +NAME +FLOW +STATE/)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what colours are made of
    expect(out).not.toMatch(/\u001b/)
    const reading = home
      .with({ env: { CALLBOARD_URL: url } })
      .start('event', 'ls', '--limit', '200', '--json')
    reading.child.stdout?.destroy()
    expect((await reading.ended).err).toBe('')
  })
})

test('the first key is made at the broker itself, for a gateway that others can reach', PATIENT, async () => {
  await using own = await makeHome()
  const { out } = await own.run('api-key', 'create', 'first', '--scope', 'admin', '--at-broker')
  const server = own.start('server', 'start', '--host', '0.0.0.0', '--port', '0', '--no-scheduler')
  const [, port] = await server.says(/^Listening on http:\/\/0\.0\.0\.0:(\d+)/m)
  const there = ['--url', `http://127.0.0.1:${port}`]
  const stranger = await own.run('flow-run', 'ls', ...there)
  expect([stranger.code, stranger.err]).toEqual([1, expect.stringContaining('CB_E_UNAUTHENTICATED')])
  expect((await own.run('flow-run', 'ls', ...there, '--api-key', out.trim())).code).toBe(0)
})

test('a server that others could reach does not start without a key', PATIENT, async () => {
  await using own = await makeHome()
  const { code, err } = await own.run('server', 'start', '--host', '0.0.0.0', '--port', '0')
  expect([code, err]).toEqual([1, expect.stringContaining('CB_E_KEYS_NEEDED')])
})
