import { describe, expect, test } from 'vitest'
import { isLoopback, refusalOf } from '../../../src/gateway/access/origins.ts'
import { isOpenAt } from '../../../src/gateway/access/policy.ts'

const GET = { method: 'GET', isSocket: false } as const
const POST = { method: 'POST', isSocket: false } as const
const SOCKET = { method: 'GET', isSocket: true } as const
const HERE = { names: 'loopback', origins: ['https://ours.example'] } as const
const KEYED = { names: 'any', origins: ['https://ours.example'] } as const

const OPEN = { names: 'plain', origins: ['https://ours.example'] } as const

describe('a request', () => {
  test.each([
    ['a program that reads', GET, '127.0.0.1:4200', undefined, HERE],
    ['a program that writes', POST, 'localhost:4200', undefined, HERE],
    ['a program on IPv6', POST, '[::1]:4200', undefined, HERE],
    ['a name under localhost', POST, 'callboard.localhost:4200', undefined, HERE],
    ['a page of the gateway itself', POST, 'localhost:4200', 'http://localhost:4200', HERE],
    ['a page of a listed origin', POST, '127.0.0.1:4200', 'https://ours.example', HERE],
    ['a socket of a listed origin', SOCKET, '127.0.0.1:4200', 'https://ours.example', HERE],
    [
      'a foreign page that only reads, which CORS is for',
      GET,
      '127.0.0.1:4200',
      'https://evil.example',
      HERE,
    ],
    ['a gateway for all, under any name', POST, 'callboard.example', undefined, KEYED],
    ['an address of an open gateway for all', POST, '192.168.1.5:4200', undefined, OPEN],
    ['an IPv6 address of an open gateway for all', POST, '[fd00::5]:4200', undefined, OPEN],
    ['a name without a dot, as containers have', POST, 'gateway:4200', undefined, OPEN],
    ['the name of a listed origin', POST, 'ours.example', 'https://ours.example', OPEN],
    ['a page of a gateway for all', POST, 'callboard.example', 'https://callboard.example', KEYED],
  ] as const)('is let through: %s', (_, asked, host, origin, at) => {
    expect(refusalOf({ ...asked, host, origin }, at)).toBeUndefined()
  })

  test.each([
    ['a foreign page that writes', POST, '127.0.0.1:4200', 'https://evil.example', HERE],
    ['a foreign page that opens a socket', SOCKET, '127.0.0.1:4200', 'https://evil.example', HERE],
    ['a page without an origin of its own', POST, '127.0.0.1:4200', 'null', HERE],
    ['a page of another port', POST, 'localhost:4200', 'http://localhost:3000', HERE],
    [
      'a listed origin with something behind it',
      POST,
      '127.0.0.1:4200',
      'https://ours.example.evil.example',
      HERE,
    ],
    ['a name that was pointed at this machine', GET, 'evil.example:4200', undefined, HERE],
    [
      'a name that was pointed at this machine, of its own page',
      POST,
      'evil.example',
      'http://evil.example',
      HERE,
    ],
    ['a name that only begins like this machine', GET, 'localhost.evil.example', undefined, HERE],
    ['a name that only begins like an address of this machine', GET, '127.evil.example', undefined, HERE],
    [
      'a name that was pointed at an open gateway',
      POST,
      'evil.example:4200',
      'http://evil.example:4200',
      OPEN,
    ],
    ['a request without a name', GET, undefined, undefined, HERE],
    ['a foreign page at a gateway for all', POST, 'callboard.example', 'https://evil.example', KEYED],
  ] as const)('is refused: %s', (_, asked, host, origin, at) => {
    expect(refusalOf({ ...asked, host, origin }, at)).toBeTypeOf('string')
  })
})

describe('a gateway', () => {
  test('on this machine needs no keys, unless it is told to', () => {
    expect(isOpenAt('127.0.0.1', 'auto', false)).toBe(true)
    expect(isOpenAt('::1', 'auto', true)).toBe(true)
    expect(isOpenAt('localhost', 'keys', true)).toBe(false)
  })

  test.each(['0.0.0.0', '::', '192.168.1.5', 'callboard.example'])(
    'on %s needs keys, or to be told that it does not',
    (host) => {
      expect(isLoopback(host)).toBe(false)
      expect(isOpenAt(host, 'auto', true)).toBe(false)
      expect(isOpenAt(host, 'open', false)).toBe(true)
      expect(() => isOpenAt(host, 'auto', false)).toThrow(
        expect.objectContaining({ code: 'CB_E_KEYS_NEEDED' }),
      )
    },
  )

  test('that wants keys from everybody does not start without any', () => {
    expect(() => isOpenAt('127.0.0.1', 'keys', false)).toThrow(
      expect.objectContaining({ code: 'CB_E_KEYS_NEEDED' }),
    )
  })
})
