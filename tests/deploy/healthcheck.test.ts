import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const PROGRAM = fileURLToPath(new URL('../../deploy/healthcheck.js', import.meta.url))
const server = createServer((request, response) =>
  response.writeHead(request.url === '/ready' ? 204 : 503).end(),
)
let address = ''

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  address = typeof bound === 'object' && bound !== null ? `http://127.0.0.1:${bound.port}` : ''
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
})

async function healthcheck(url: string): Promise<{ code: number; said: string }> {
  const child = spawn(process.execPath, [PROGRAM, url], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (text) => {
    said += text
  })
  const [code] = await once(child, 'close')
  return { code, said }
}

describe('the health check of the image', () => {
  test('is healthy when the service answers with success', async () => {
    expect(await healthcheck(`${address}/ready`)).toEqual({ code: 0, said: '' })
  })

  test('is unhealthy when the service says that it is not ready', async () => {
    expect((await healthcheck(`${address}/starting`)).code).toBe(1)
  })

  test('is unhealthy, and says why, when nobody listens', async () => {
    const { code, said } = await healthcheck('http://127.0.0.1:1/ready')
    expect(code).toBe(1)
    expect(said).toContain('http://127.0.0.1:1/ready: ')
  })
})
