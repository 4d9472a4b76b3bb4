import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemDeps } from '../../src/core/index.ts'
import { createServer, type Server } from '../../src/gateway/http/index.ts'

let server: Server
let port: number

beforeEach(async () => {
  server = createServer({ deps: systemDeps(), bodyLimit: 1_000, readWithinMs: 200 })
  server.get('/', () => ({ here: true }))
  server.post('/', () => ({ here: true }))
  await server.listen({ host: '127.0.0.1', port: 0 })
  port = Number(new URL(server.listeningOrigin).port)
})

afterEach(() => server.close())

/** A client that sends this much of a request, and then nothing. Resolves when it is connected. */
async function begin(text: string): Promise<{ readonly heard: Promise<string> }> {
  const socket = connect({ host: '127.0.0.1', port })
  const heard = new Promise<string>((resolve) => {
    let all = ''
    socket.on('data', (data) => {
      all += data
    })
    // Who writes when it was cut off already may be told so by a reset.
    socket.on('error', () => {})
    socket.on('close', () => resolve(all))
  })
  await once(socket, 'connect')
  socket.write(text)
  return { heard }
}

/** The problem document that a bare answer holds. */
function refusal(answer: string): unknown {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  expect(head).toContain('application/problem+json')
  expect(head).toContain(`content-length: ${Buffer.byteLength(body)}`)
  const problem = JSON.parse(body)
  expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${problem.status} `))
  return problem
}

describe('what never becomes a request', () => {
  test.each([
    ['is no HTTP', 'what is this\r\n\r\n', 400],
    [
      'has a head without an end',
      `GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-long: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
    ],
  ])('because it %s is refused with a problem document', async (_, text, status) => {
    const { heard } = await begin(text)
    expect(refusal(await heard)).toMatchObject({ status, code: 'CB_E_REQUEST_INVALID' })
  })
})

describe('a client that never finishes what it sends', () => {
  test.each([
    ['in the middle of its headers', 'GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: '],
    [
      'in the middle of its body',
      'POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
    ],
  ])('%s is told so and cut off', async (_, text) => {
    const { heard } = await begin(text)
    expect(refusal(await heard)).toMatchObject({ status: 408, code: 'CB_E_REQUEST_INVALID' })
  })

  test('holds up nobody else, however many of them there are', async () => {
    const slow = await Promise.all(
      Array.from({ length: 200 }, () => begin('GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ')),
    )
    const answer = await fetch(`http://127.0.0.1:${port}/`)
    expect([answer.status, await answer.json()]).toEqual([200, { here: true }])
    await Promise.all(slow.map(({ heard }) => heard))
  })
})
