import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findOrInstall } from '../../scripts/brokers.ts'

const text = await readFile(new URL('../../deploy/nats.conf', import.meta.url), 'utf8')
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callboard-nats-conf-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** What the server says about a configuration, without starting: empty when it has no objection. */
async function objections(config: string): Promise<string> {
  const server = await findOrInstall('nats-server')
  if (server.how === 'compose') throw new Error('This test needs the program nats-server itself.')
  const file = join(folder, 'server.conf')
  await writeFile(file, config)
  const failure = await promisify(execFile)(server.program, ['-t', '--config', file]).catch((error) => error)
  return failure instanceof Error ? String(failure.message) : ''
}

describe('the NATS configuration for containers', () => {
  test('is understood by the server', async () => {
    // A server below 2.10 does not know the setting and says so; the image of compose.yaml is newer.
    const known = text
      .replace(/^.*sync_interval: always$/m, '')
      .replace('store_dir: /data', `store_dir: "${folder}"`)
    expect(await objections(known)).toBe('')
    expect(await objections(known.replace('listen:', 'lissen:'))).toContain('unknown field "lissen"')
  })

  test('forces every acknowledged append to the disk', () => {
    expect(text).toMatch(/^ {2}sync_interval: always$/m)
  })
})
