/** Flows as scripts, with no server: what is printed, and how the process ends. */

import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startNats } from '../support/nats-server.ts'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'callboard-scripts-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

interface Ended {
  readonly code: number
  readonly out: string[]
  readonly log: string
}

function runScript(name: string, variables: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const file = join(import.meta.dirname, 'fixtures', `${name}.ts`)
  const env = { PATH: process.env.PATH, HOME: home, NO_COLOR: '1', CALLBOARD_HOME: home, ...variables }
  return new Promise((resolve) => {
    execFile(process.execPath, ['-C', 'callboard-source', file], { env }, (error, stdout, log) => {
      const code = error === null ? 0 : Number(error.code)
      resolve({ code, log, out: stdout.split('\n').filter((line) => line !== '') })
    })
  })
}

describe('a script', { timeout: 60_000 }, () => {
  test('stays for a run that it only started, also while that has left the process', async () => {
    const { code, log, out } = await runScript('started', { CALLBOARD_PARK_AFTER: '100ms' })
    expect(out.toSorted()).toEqual(['after', 'before', 'started'])
    expect(out.at(-1)).toBe('after')
    expect(log).toContain('Finished in state Completed()')
    expect(code).toBe(0)
  })

  test('whose flow fails ends with exit code 1 and the error that the flow threw', async () => {
    const { code, log, out } = await runScript('failing')
    expect(out).toEqual(["Failed('bad weather')"])
    expect(log).toContain('TypeError: bad weather')
    expect(code).toBe(1)
  })

  test('loads what its run needs, and neither the schemas of the catalogue nor the other brokers', async () => {
    const { out } = await runScript('lean')
    const packages = out.join(' ').split(' ')
    expect(packages).toContain('xstate')
    for (const heavy of ['typebox', 'ajv', 'fastify', '@nats-io/transport-node'])
      expect(packages).not.toContain(heavy)
  })

  test('takes part in a cluster when its broker is one', async () => {
    await using server = await startNats()
    const { code, out } = await runScript('started', {
      CALLBOARD_BROKER_URL: server.url,
      CALLBOARD_PARK_AFTER: '100ms',
    })
    expect([code, out.at(-1)]).toEqual([0, 'after'])
  })

  test('writes one JSON object a line when it is asked to', async () => {
    const { log } = await runScript('started', { CALLBOARD_LOGGING_FORMAT: 'json' })
    const lines = log
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
    expect(lines).toContainEqual(
      expect.objectContaining({
        level: 'info',
        message: 'Finished in state Completed()',
        flowRun: expect.any(String),
      }),
    )
  })
})
