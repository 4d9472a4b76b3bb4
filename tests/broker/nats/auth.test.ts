/** Every way to prove who one is, on real servers. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nkeys } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeAuthority } from '../../support/certificates.ts'
import { type NatsServer, startNats } from '../../support/nats-server.ts'
import { brokerAt, codeOf, mustAppend, newSubject, recorder, rejection, started } from './fixture.ts'

const SECRET = 'hunter2-hunter2'
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callboard-auth-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}

/** Connects, and does something that needs JetStream. */
async function works(url: string, environment: Readonly<Record<string, string>> = {}): Promise<void> {
  await using broker = await started(url, { environment })
  await mustAppend(broker, newSubject(), 0)
}

async function refused(url: string, environment: Readonly<Record<string, string>> = {}): Promise<Error> {
  const logger = recorder()
  const broker = brokerAt(url, { environment, logger, callTimeoutMs: 1_000 })
  const error = await rejection(broker.start())
  expect(`${error} ${JSON.stringify(logger.lines)} ${broker.url}`).not.toContain(SECRET)
  return error
}

describe('user and password', () => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats({ config: `authorization { user: joe, password: "${SECRET}" }` })
  })
  afterAll(() => server[Symbol.asyncDispose]())
  const at = () => `127.0.0.1:${server.port}`

  test('in the URL or the environment are accepted', async () => {
    await works(`nats://joe:${SECRET}@${at()}`)
    await works(`nats://${at()}`, { CALLBOARD_NATS_USER: 'joe', CALLBOARD_NATS_PASSWORD: SECRET })
  })

  test('that are wrong or missing are refused, saying so and telling nothing', async () => {
    for (const url of [`nats://ann:${SECRET}@${at()}`, `nats://joe:x@${at()}`, `nats://${at()}`]) {
      const error = await refused(url)
      expect(codeOf(error)).toBe('CB_E_BROKER_AUTH')
      expect(error.message).toContain(at())
    }
  })
})

test('a token is accepted, a wrong one is refused', async () => {
  await using server = await startNats({ config: `authorization { token: "${SECRET}" }` })
  await works(`nats://${SECRET}@127.0.0.1:${server.port}`)
  await works(server.url, { CALLBOARD_NATS_TOKEN: SECRET })
  expect(codeOf(await refused(`nats://${SECRET}x@127.0.0.1:${server.port}`))).toBe('CB_E_BROKER_AUTH')
})

test('an nkey is accepted as a file or a seed, another one is refused', async () => {
  const [ours, other] = [nkeys.createUser(), nkeys.createUser()]
  await using server = await startNats({
    config: `authorization { users: [{ nkey: ${ours.getPublicKey()} }] }`,
  })
  await works(`${server.url}?nkey=${await file('ours.nk', `${decode(ours.getSeed())}\n`)}`)
  await works(server.url, { CALLBOARD_NATS_NKEY: decode(ours.getSeed()) })
  const error = await refused(`${server.url}?nkey=${await file('other.nk', decode(other.getSeed()))}`)
  expect(codeOf(error)).toBe('CB_E_BROKER_AUTH')
  expect(error.message).not.toContain(decode(other.getSeed()))
})

describe('a credentials file', () => {
  /** A JWT as NATS signs them: ed25519 over header and claims. */
  function jwt(claims: object, signer: ReturnType<typeof nkeys.createUser>): string {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const body = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part({ jti: 'test', iat: 1_700_000_000, ...claims })}`
    return `${body}.${Buffer.from(signer.sign(new TextEncoder().encode(body))).toString('base64url')}`
  }

  test('is accepted by a server with an operator, and refused when it is of another account', async () => {
    const [operator, system, account, user, stranger] = [
      nkeys.createOperator(),
      nkeys.createAccount(),
      nkeys.createAccount(),
      nkeys.createUser(),
      nkeys.createAccount(),
    ]
    const limits = {
      subs: -1,
      data: -1,
      payload: -1,
      conn: -1,
      leaf: -1,
      imports: -1,
      exports: -1,
      wildcards: true,
    }
    const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }
    const accountClaims = (key: typeof account, js: object) => ({
      iss: operator.getPublicKey(),
      sub: key.getPublicKey(),
      name: 'account',
      nats: { type: 'account', version: 2, limits: { ...limits, ...js } },
    })
    const userClaims = (issuer: typeof account) => ({
      iss: issuer.getPublicKey(),
      sub: user.getPublicKey(),
      name: 'user',
      nats: { type: 'user', version: 2, subs: -1, data: -1, payload: -1 },
    })
    const operatorJwt = jwt(
      {
        iss: operator.getPublicKey(),
        sub: operator.getPublicKey(),
        name: 'operator',
        nats: { type: 'operator', version: 2, system_account: system.getPublicKey() },
      },
      operator,
    )
    const resolver = [
      `${system.getPublicKey()}: ${jwt(accountClaims(system, {}), operator)}`,
      `${account.getPublicKey()}: ${jwt(accountClaims(account, storage), operator)}`,
    ].join('\n')
    await using server = await startNats({
      config: `operator: ${operatorJwt}\nsystem_account: ${system.getPublicKey()}\nresolver: MEMORY\nresolver_preload: {\n${resolver}\n}`,
    })
    const credsOf = (issuer: typeof account) =>
      `-----BEGIN NATS USER JWT-----\n${jwt(userClaims(issuer), issuer)}\n------END NATS USER JWT------\n\n` +
      `-----BEGIN USER NKEY SEED-----\n${decode(user.getSeed())}\n------END USER NKEY SEED------\n`
    await works(`${server.url}?creds=${await file('ours.creds', credsOf(account))}`)
    await works(server.url, { CALLBOARD_NATS_CREDS: await file('env.creds', credsOf(account)) })
    const error = await refused(`${server.url}?creds=${await file('other.creds', credsOf(stranger))}`)
    expect(codeOf(error)).toBe('CB_E_BROKER_AUTH')
  })
})

describe('TLS', () => {
  const authority = makeAuthority()
  const certificate = authority.issue('server')
  const client = authority.issue('client')
  let files: Readonly<Record<'ca' | 'cert' | 'key' | 'clientCert' | 'clientKey' | 'otherCa', string>>
  beforeAll(async () => {
    files = {
      ca: await file('ca.pem', authority.cert),
      cert: await file('cert.pem', certificate.cert),
      key: await file('key.pem', certificate.key),
      clientCert: await file('client-cert.pem', client.cert),
      clientKey: await file('client-key.pem', client.key),
      otherCa: await file('other-ca.pem', makeAuthority().cert),
    }
  })
  const tlsConfig = (more = '') =>
    `tls { cert_file: "${files.cert}", key_file: "${files.key}", ca_file: "${files.ca}"\n${more} }`

  test('to a server that asks for it works with its authority, by address and by name', async () => {
    await using server = await startNats({ config: tlsConfig() })
    await works(`tls://127.0.0.1:${server.port}?tls_ca=${files.ca}`)
    await works(`nats://localhost:${server.port}?tls_ca=${files.ca}`)
    await works(`tls://127.0.0.1:${server.port}`, { CALLBOARD_NATS_TLS_CA: files.ca })
  })

  test('to a server whose certificate nobody we trust has signed is refused', async () => {
    await using server = await startNats({ config: tlsConfig() })
    for (const url of [
      `tls://127.0.0.1:${server.port}?tls_ca=${files.otherCa}`,
      `tls://127.0.0.1:${server.port}`,
    ]) {
      const error = await refused(url)
      expect(codeOf(error)).toBe('CB_E_BROKER_UNREACHABLE')
      expect(error.message).toMatch(/TLS|certificate/i)
    }
  })

  test('with a client certificate is accepted where one is required, and refused without', async () => {
    await using server = await startNats({ config: tlsConfig('verify: true') })
    const own = `tls_cert=${files.clientCert}&tls_key=${files.clientKey}`
    await works(`tls://127.0.0.1:${server.port}?tls_ca=${files.ca}&${own}`)
    const error = await refused(`tls://127.0.0.1:${server.port}?tls_ca=${files.ca}`)
    expect(codeOf(error)).toBe('CB_E_BROKER_UNREACHABLE')
  })

  test('that is asked for and not there is refused instead of going on in the clear', async () => {
    await using server = await startNats()
    const error = await refused(`tls://127.0.0.1:${server.port}?tls_ca=${files.ca}`)
    expect(codeOf(error)).toBe('CB_E_BROKER_UNREACHABLE')
    expect(error.message).toMatch(/tls/i)
  })
})
