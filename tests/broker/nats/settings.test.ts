import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type NatsSettings, resolveSettings } from '../../../src/broker/nats/settings.ts'
import { codeOf } from './fixture.ts'

const resolve = (url: string, environment: Readonly<Record<string, string>> = {}): NatsSettings =>
  resolveSettings(url, environment)

function refusal(url: string, environment: Readonly<Record<string, string>> = {}): Error {
  try {
    resolve(url, environment)
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('it should have been refused')
}

const SEED = `SU${'A'.repeat(56)}`
const CREDS = `-----BEGIN NATS USER JWT-----\n…\n-----BEGIN USER NKEY SEED-----\n${SEED}\n`

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callboard-settings-'))
  await writeFile(join(folder, 'user.creds'), CREDS)
  await writeFile(join(folder, 'user.nk'), `${SEED}\n`)
  await writeFile(join(folder, 'ca.pem'), 'a certificate')
})
afterAll(() => rm(folder, { recursive: true }))

describe('a NATS URL', () => {
  test('names one server or several, each with a port of its own or the usual one', () => {
    expect(resolve('nats://a').servers).toEqual(['a:4222'])
    expect(resolve('nats://a:1,b:2,c').servers).toEqual(['a:1', 'b:2', 'c:4222'])
    expect(resolve('nats://[::1]:4333/').servers).toEqual(['[::1]:4333'])
  })

  test('has defaults: prefix cb, one replica, no credentials, TLS only when asked for', () => {
    const { prefix, replicas, credentials, tls, quotas } = resolve('nats://a')
    expect({ prefix, replicas, credentials, tls }).toEqual({
      prefix: 'cb',
      replicas: 1,
      credentials: { is: 'none' },
      tls: undefined,
    })
    expect(Object.values(quotas)).toEqual([undefined, undefined, undefined, undefined])
    expect(resolve('tls://a').tls).toEqual({})
  })

  test('carries user and password, or a token, percent-encoded', () => {
    expect(resolve('nats://joe:p%40ss%2Fw%3Ard@a').credentials).toEqual({
      is: 'password',
      user: 'joe',
      password: 'p@ss/w:rd',
    })
    expect(resolve('nats://to%3Aken@a').credentials).toEqual({ is: 'token', token: 'to:ken' })
  })

  test('carries sizes with units', () => {
    const { quotas } = resolve('nats://a?log_bytes=20GiB&work_bytes=512M&objects_bytes=1048576&kv_bytes=2mib')
    expect(quotas).toEqual({
      log: 20 * 1024 ** 3,
      work: 512 * 1024 ** 2,
      objects: 1024 ** 2,
      kv: 2 * 1024 ** 2,
    })
  })

  test('names files that are read', () => {
    expect(resolve(`nats://a?creds=${folder}/user.creds`).credentials).toEqual({
      is: 'creds',
      text: CREDS,
    })
    expect(resolve(`nats://a?nkey=${folder}/user.nk`).credentials).toEqual({ is: 'nkey', seed: SEED })
    expect(resolve(`nats://a?tls_ca=${folder}/ca.pem`).tls).toEqual({ ca: 'a certificate' })
  })

  test('is shown without its secrets', () => {
    expect(resolve('nats://joe:secret@a:1,b?prefix=x&replicas=3').url).toBe(
      'nats://a:1,b:4222?prefix=x&replicas=3',
    )
    expect(resolve('tls://token@a').url).toBe('tls://a:4222')
  })

  test.each([
    ['nats://a?prefx=x', 'CB_E_URL_OPTION', /"prefx".*Did you mean "prefix"\?/],
    ['nats://a?colour=red', 'CB_E_URL_OPTION', /Known are .*prefix/],
    ['nats://a?prefix=Upper', 'CB_E_URL_OPTION', /prefix.*Upper.*a-z/],
    ['nats://a?prefix=a_b', 'CB_E_URL_OPTION', /prefix/],
    ['nats://a?replicas=0', 'CB_E_URL_OPTION', /replicas.*1 to 5/],
    ['nats://a?replicas=three', 'CB_E_URL_OPTION', /replicas.*three/],
    ['nats://a?log_bytes=lots', 'CB_E_URL_OPTION', /log_bytes.*lots.*20GiB/],
    ['nats://a?log_bytes=1KiB', 'CB_E_URL_OPTION', /at least 1MiB/],
    ['nats://u:p@a?nkey=x', 'CB_E_URL_OPTION', /user information and nkey.*one of them/],
    ['nats://a?tls_cert=/nowhere/cert.pem', 'CB_E_SETTING_INVALID', /"tls_cert".*cannot be read/],
    ['nats://a?creds=/nowhere/user.creds', 'CB_E_SETTING_INVALID', /"creds".*cannot be read/],
    [`nats://a?nkey=${import.meta.filename}`, 'CB_E_SETTING_INVALID', /"nkey".*nkey seed/],
    [
      `nats://a?creds=${import.meta.dirname}/fixture.ts`,
      'CB_E_SETTING_INVALID',
      /"creds".*not a NATS credentials file/,
    ],
    ['nats://', 'CB_E_BROKER_URL', /Address 1/],
    ['nats://a:0', 'CB_E_BROKER_URL', /Address 1/],
    ['nats://a,b:99999', 'CB_E_BROKER_URL', /Address 2/],
    ['nats://a/path', 'CB_E_BROKER_URL', /not of the form/],
    ['ws://a', 'CB_E_BROKER_URL', /not of the form/],
  ])('that is wrong is refused, saying what: %s', (url, code, message) => {
    const error = refusal(url)
    expect(codeOf(error)).toBe(code)
    expect(error.message).toMatch(message)
  })

  test('with a certificate needs its key', () => {
    expect(refusal(`nats://a?tls_cert=${folder}/ca.pem`).message).toMatch(/tls_cert and tls_key, or neither/)
  })

  test('with a password of digits that ends in ? is refused without taking the rest for an option', () => {
    const error = refusal('nats://joe:4222?hunter2@host')
    expect([codeOf(error), error.message]).toEqual([
      'CB_E_URL_OPTION',
      expect.not.stringContaining('hunter2'),
    ])
  })

  test('that is wrong is refused without repeating what may be a secret', () => {
    const wrong = fc.constantFrom('@', '/', '?', '#', ':', ' ', '&', '=')
    fc.assert(
      fc.property(fc.array(fc.oneof(wrong, fc.constantFrom('a', 'Z', '7'))), (parts) => {
        const password = `hunter2${parts.join('')}hunter2`
        const url = `nats://joe:${password}@host:4222?prefix=x`
        try {
          expect(resolve(url).url).not.toContain('hunter2')
        } catch (error) {
          expect(String(error)).not.toContain('hunter2')
        }
      }),
    )
  })
})

describe('the environment', () => {
  test('carries credentials when the URL has none', () => {
    const joe = { CALLBOARD_NATS_USER: 'joe', CALLBOARD_NATS_PASSWORD: 'pw' }
    expect(resolve('nats://a', joe).credentials).toEqual({ is: 'password', user: 'joe', password: 'pw' })
    expect(resolve('nats://ann:x@a', joe).credentials).toMatchObject({ user: 'ann' })
    expect(resolve('nats://a', { CALLBOARD_NATS_TOKEN: 't' }).credentials).toEqual({
      is: 'token',
      token: 't',
    })
    expect(resolve('nats://a', { CALLBOARD_NATS_CREDS: `${folder}/user.creds` }).credentials.is).toBe('creds')
  })

  test('carries an nkey as a seed or as a file', () => {
    expect(resolve('nats://a', { CALLBOARD_NATS_NKEY: SEED }).credentials).toEqual({ is: 'nkey', seed: SEED })
    expect(resolve('nats://a', { CALLBOARD_NATS_NKEY: `${folder}/user.nk` }).credentials).toEqual({
      is: 'nkey',
      seed: SEED,
    })
  })

  test('with a mistyped seed is refused without repeating it', () => {
    const error = refusal('nats://a', { CALLBOARD_NATS_NKEY: 'SUAMISTYPEDSEED' })
    expect(error.message).toMatch(/CALLBOARD_NATS_NKEY/)
    expect(JSON.stringify({ ...error, message: error.message, cause: error.cause })).not.toContain('MISTYPED')
  })

  test('names TLS files; the URL beats it', () => {
    const environment = { CALLBOARD_NATS_TLS_CA: '/nowhere/ca.pem' }
    expect(refusal('nats://a', environment).message).toMatch(/CALLBOARD_NATS_TLS_CA/)
    expect(resolve(`nats://a?tls_ca=${folder}/ca.pem`, environment).tls).toEqual({ ca: 'a certificate' })
  })

  test('that is empty is no environment', () => {
    expect(resolve('nats://a', { CALLBOARD_NATS_USER: '', CALLBOARD_NATS_TOKEN: '' }).credentials.is).toBe(
      'none',
    )
  })
})
