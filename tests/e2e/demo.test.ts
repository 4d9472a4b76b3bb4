/** `npm run demo`, as somebody runs it who has just installed: on the embedded broker and on a NATS server. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { startNats } from '../support/nats-server.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

async function demo(
  ...args: readonly string[]
): Promise<{ readonly code: number | null; readonly said: string }> {
  const program = ['-C', 'callboard-source', 'scripts/demo.ts', ...args]
  const child = spawn(process.execPath, program, {
    cwd: ROOT,
    env: { PATH: process.env.PATH, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => {
      said += text
    })
  const [code] = await once(child, 'close')
  return { code, said }
}

/** Everything that the demo promises, each as a line of its summary. */
const PROMISES = [
  'the service refused 3 calls, and each was tried again after a longer wait',
  'every city has its forecast',
  'another process resumed it over the live socket',
  'the worker that hosted the run was killed',
  'the run went on in the other worker',
  'the result is as if nothing had happened',
  'the stuck run is cancelled',
]

describe('the demo', { timeout: 240_000 }, () => {
  test('shows what it promises on the embedded broker, and ends with 0', async () => {
    const { code, said } = await demo()
    for (const promise of PROMISES) expect(said).toContain(`✓ ${promise}`)
    expect(said).not.toContain('✗')
    expect(code).toBe(0)
  })

  test('does so on a NATS server too', async () => {
    await using server = await startNats()
    const { code, said } = await demo('--broker', server.url)
    for (const promise of PROMISES) expect(said).toContain(`✓ ${promise}`)
    expect(code).toBe(0)
  })

  test('ends with 1 and says what went otherwise when something does', async () => {
    const { code, said } = await demo('--broker', 'nats://127.0.0.1:1')
    expect(said).toContain('✗ the demo runs to its end')
    expect(said).toContain('CB_E_BROKER_UNREACHABLE')
    expect(code).toBe(1)
  })
})
