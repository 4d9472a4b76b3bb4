/** Commands that need nobody else: settings, profiles, projects, runs of a file. */

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FIXTURES, type Home, makeHome, type Said } from './support/callboard.ts'
import { say } from './support/in-process.ts'

let home: Home
beforeAll(async () => {
  home = await makeHome()
})
afterAll(() => home[Symbol.asyncDispose]())

/** In this process: what starts nothing of its own needs none. */
const inProcess =
  ({ folder }: Pick<Home, 'folder'>, variables: Readonly<Record<string, string>> = {}) =>
  (...args: readonly string[]): Promise<Said> =>
    say(args, { folder, environment: { CALLBOARD_HOME: join(folder, 'home'), ...variables } })

/** Programs start slowly on a busy machine. */
const PATIENT = { timeout: 120_000 }

describe('settings', PATIENT, () => {
  test('are shown with their value and where it comes from, the strongest place first', async () => {
    await using own = await makeHome()
    const callboard = inProcess(own)
    await callboard('config', 'set', 'lateAfter=20s', 'parkAfter=20s', 'url=http://profile:1')
    await writeFile(join(own.folder, '.env'), 'CALLBOARD_PARK_AFTER=30s\nCALLBOARD_URL=http://file:1\n')
    const { out, code } = await inProcess(own, { CALLBOARD_URL: 'http://env:1' })(
      'config',
      'view',
      '--json',
      '--api-key',
      'cb_verysecret',
    )
    expect(code).toBe(0)
    const rows: readonly { readonly name: string; readonly shown?: string; readonly from: string }[] =
      JSON.parse(out)
    const of = (name: string) => rows.find((row) => row.name === name)
    expect(of('lateAfter')).toMatchObject({ shown: '20s', from: 'lateAfter in the profile default' })
    expect(of('parkAfter')).toMatchObject({ shown: '30s', from: expect.stringContaining('.env') })
    expect(of('url')).toMatchObject({ shown: 'http://env:1', from: 'CALLBOARD_URL in the environment' })
    expect(of('apiKey')).toMatchObject({ from: 'apiKey in the options' })
    expect(of('workerLease')).toMatchObject({ from: 'default' })
    expect(out).not.toContain('verysecret')
  })

  test('of a profile hold when it is named, and always once it is active', async () => {
    await using own = await makeHome()
    const callboard = inProcess(own)
    await callboard('profile', 'create', 'prod')
    await callboard('config', 'set', '--profile', 'prod', 'url=https://prod.example')
    const urlOf = async (...args: readonly string[]) => {
      const { out } = await callboard('config', 'view', '--json', ...args)
      return JSON.parse(out).find((row: { readonly name: string }) => row.name === 'url').shown
    }
    expect(await urlOf()).toBe('http://127.0.0.1:4200')
    expect(await urlOf('--profile', 'prod')).toBe('https://prod.example')
    await callboard('profile', 'use', 'prod')
    expect(await urlOf()).toBe('https://prod.example')
    expect((await callboard('profile', 'delete', 'prod', '--yes')).err).toContain('is active')
    await callboard('config', 'unset', 'url')
    expect(await urlOf()).toBe('http://127.0.0.1:4200')
  })

  test('of the profiles are in a file that only its user reads', async () => {
    await using own = await makeHome()
    const callboard = inProcess(own)
    await callboard('config', 'set', 'apiKey=cb_secret')
    expect(
      JSON.parse(await readFile(join(own.folder, 'home/profiles.json'), 'utf8')).profiles.default,
    ).toEqual({
      apiKey: 'cb_secret',
    })
    const { out } = await callboard('profile', 'inspect', 'default')
    expect(out).toContain('***')
    expect(out).not.toContain('cb_secret')
  })
})

describe('init', PATIENT, () => {
  test('makes a project whose flow is a flow, and touches nothing that is there', async () => {
    await using own = await makeHome()
    const callboard = inProcess(own)
    const { code, err } = await callboard('init', 'my project')
    expect([code, err]).toEqual([0, expect.stringContaining('npx callboard dev flows.ts')])
    const manifest = JSON.parse(await readFile(join(own.folder, 'my project/package.json'), 'utf8'))
    expect(manifest).toMatchObject({
      name: 'my-project',
      type: 'module',
      dependencies: { callboard: expect.any(String) },
    })
    expect((await callboard('init', 'my project')).code).toBe(1)
    await writeFile(join(own.folder, 'my project/flows.ts'), 'mine')
    expect((await callboard('init', 'my project', '--force')).out).toContain('kept  flows.ts')
    expect(await readFile(join(own.folder, 'my project/flows.ts'), 'utf8')).toBe('mine')
  })
})

describe('run', PATIENT, () => {
  const file = join(FIXTURES, 'flows.ts')

  test('runs the flow of a file with its parameters and gives its result', async () => {
    const { code, out } = await home.run('run', `${file}:sums`, '-p', 'numbers=[4,5]', '--json')
    expect(JSON.parse(out.slice(out.indexOf('{')))).toMatchObject({ type: 'COMPLETED', result: 18 })
    expect(code).toBe(0)
  })

  test('ends with 1 when the run failed, and says why', async () => {
    const { code, out } = await home.run('run', `${file}:failing`)
    expect([code, out]).toEqual([1, expect.stringContaining('no luck today')])
  })

  test.each([
    ['flows.ts', 1, "exports several flows: 'asking', 'failing', 'sums'", 'CB_E_CODE_LOAD'],
    ['flows.ts:sum', 1, "Did you mean 'sums'?", 'CB_E_CODE_LOAD'],
    ['flows.ts:shout', 1, 'is a task, no flow', 'CB_E_CODE_LOAD'],
    ['nowhere.ts', 2, 'There is no file', 'CB_E_CODE_MISSING'],
  ])('of %s says what is wrong with it', async (name, exit, said, errorCode) => {
    const { code, err } = await home.run('run', join(FIXTURES, name))
    expect([code, err]).toEqual([exit, expect.stringContaining(said)])
    expect(err).toContain(`[${errorCode}]`)
    expect(err).not.toContain('flow-files')
  })
})

describe('a run whose process was ended', PATIENT, () => {
  test('is gone on with by whoever is told to, and what had been done is not done again', async () => {
    await using own = await makeHome()
    const gate = join(own.folder, 'gate')
    const at = own.with({ env: { CALLBOARD_WORKER_LEASE: '1s' } })
    const file = join(FIXTURES, 'long.ts')
    const first = at.start('run', file, '-p', `gate=${gate}`)
    await first.says(/the first step runs[\s\S]*'first-0' - Finished/)
    first.child.kill('SIGTERM')
    const left = await first.ended
    const [, run = ''] = left.err.match(/To go on with it: callboard run \S+long\.ts --take-over (\S+)/) ?? []
    expect([left.code, left.err]).toEqual([1, expect.stringContaining('ended by SIGTERM')])

    const other = await at.run('run', join(FIXTURES, 'flows.ts'), '--take-over', run)
    expect([other.code, other.err]).toEqual([
      1,
      expect.stringContaining("it is of the flow 'long', and here are"),
    ])
    const second = at.start('run', file, '--take-over', run)
    await second.says(/Taking over flow run/)
    await writeFile(gate, '')
    const { code, err, out } = await second.ended
    expect([code, out]).toEqual([0, `${run} Completed\nresult: 2\n`])
    expect(err).not.toContain('the first step runs')
    const again = await at.run('run', file, '--take-over', run)
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('it has ended Completed')])
    const nowhere = await at.run('run', file, '--take-over', 'nowhere')
    expect([nowhere.code, nowhere.err]).toEqual([1, expect.stringContaining('CB_E_RUN_MISSING')])
  })

  test('takes no parameters when it is gone on with', async () => {
    const { code, err } = await home.run('run', 'flows.ts', '--take-over', 'some', '-p', 'a=1')
    expect([code, err]).toEqual([2, expect.stringContaining("cannot be used with option '-p, --param")])
  })
})

describe('a shell command as a flow', PATIENT, () => {
  test('has its output as its log, and the exit code of its command in its end', async () => {
    const good = await home.run('shell', 'watch', 'echo out; echo err >&2')
    expect([good.code, good.err]).toEqual([0, expect.stringMatching(/INFO .*out[\s\S]*WARNING .*err/)])
    const bad = await home.run('shell', 'watch', 'exit 7')
    expect([bad.code, bad.err]).toEqual([1, expect.stringContaining('The command ended with code 7.')])
  })
})

describe("a run's log", PATIENT, () => {
  test('goes from one broker to another as a file, once', async () => {
    const { out } = await home.run('run', `${join(FIXTURES, 'flows.ts')}:sums`, '--json')
    const { run } = JSON.parse(out.slice(out.indexOf('{')))
    const exported = await home.run('log', 'export', run)
    const lines = exported.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines[0]).toMatchObject({ subject: run, rev: 1 })
    const file = join(home.folder, 'run.ndjson')
    await writeFile(file, exported.out)
    const elsewhere = ['--broker', `embedded:${join(home.folder, 'elsewhere')}`]
    expect(await home.run('log', 'import', file, ...elsewhere)).toMatchObject({
      code: 0,
      out: `${run}: ${lines.length} entries\n`,
    })
    const again = await home.run('log', 'import', file, ...elsewhere)
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('already')])
    const back = await home.run('log', 'export', run, ...elsewhere)
    expect(back.out.trimEnd().split('\n')).toHaveLength(lines.length)
  })

  test('that is none is refused with the line that is wrong', async () => {
    const file = join(home.folder, 'bad.ndjson')
    await writeFile(file, '{"subject":"x","records":[]}\nnot json\n')
    const { code, err } = await home.run('log', 'import', file)
    expect([code, err]).toEqual([1, expect.stringContaining('Line 2 is no JSON')])
  })
})

describe('doctor', PATIENT, () => {
  test('finds nothing wrong but the gateway that is not there', async () => {
    const { code, out } = await inProcess(home)('doctor', '--json', '--url', 'http://127.0.0.1:1')
    const findings: readonly { readonly is: string; readonly what: string }[] = JSON.parse(out)
    expect(findings.filter(({ is }) => is !== 'good').map(({ what }) => what)).toEqual([
      'No gateway at http://127.0.0.1:1',
    ])
    expect(findings.map(({ what }) => what).join('\n')).toMatch(/Node 2\d[\s\S]*embedded[\s\S]*clock/)
    expect(code).toBe(0)
  })

  test('ends with 1 when the broker cannot be used, and says what to do', async () => {
    const { code, out } = await inProcess(home)('doctor', '--broker', 'nats://127.0.0.1:1')
    expect([code, out]).toEqual([
      1,
      expect.stringContaining('✗ The broker nats://127.0.0.1:1 cannot be used'),
    ])
  })
})
