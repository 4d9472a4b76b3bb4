import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { encodeValue, hideCredentials, isSecretName, Secret } from '../../src/core/index.ts'

describe('a secret', () => {
  const secret = new Secret('geheim')

  it('gives its text only when it is asked to reveal it', () => {
    expect(secret.reveal()).toBe('geheim')
    for (const shown of [
      `${secret}`,
      String(secret),
      JSON.stringify({ secret }),
      inspect({ secret }),
      encodeValue([secret]),
    ]) {
      expect(shown).toContain('***')
      expect(shown).not.toContain('geheim')
    }
    expect(Object.keys(secret)).toEqual([])
  })
})

describe('a name', () => {
  it.each([
    'password',
    'dbPassword',
    'PASSWORD',
    'apiKey',
    'X-API-Key',
    'api_key',
    'access_token',
    'Authorization',
    'natsCreds',
    'nkeySeed',
    'clientSecret',
    'Set-Cookie',
    'private-key',
  ])('is that of a secret: %s', (name) => {
    expect(isSecretName(name)).toBe(true)
  })

  it.each(['name', 'key', 'pass', 'author', 'flowRun', 'queue', 'user', ''])(
    'is that of no secret: "%s"',
    (name) => {
      expect(isSecretName(name)).toBe(false)
    },
  )
})

describe('credentials in a URL', () => {
  it.each([
    ['nats://ann:geheim@h:4222', 'nats://ann:***@h:4222'],
    ['nats://geheim@h:4222', 'nats://***@h:4222'],
    ['redis://:geheim@h', 'redis://:***@h'],
    ['see https://a:b@h/x and amqp://c:d@e.', 'see https://a:***@h/x and amqp://c:***@e.'],
    ['http://h/?token=geheim&page=2#x', 'http://h/?token=***&page=2#x'],
    ['amqp://h?api_key=a%20b', 'amqp://h?api_key=***'],
  ])('are hidden: %s', (text, hidden) => {
    expect(hideCredentials(text)).toBe(hidden)
  })

  it.each(['http://127.0.0.1:4200/a?b=c', 'ann@example.org', 'nats://a:4222,b:4222', 'a://b c@d', 'token=1'])(
    'are not seen where there are none: %s',
    (text) => {
      expect(hideCredentials(text)).toBe(text)
    },
  )
})
