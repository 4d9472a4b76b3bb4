/**
 * What a NATS broker is opened with: the URL, its options, and credentials from the environment.
 *
 *     nats://[user:password@|token@]host[:port][,host[:port]…][?option=value&…]      or tls://…
 *
 * Invariants
 * (U1) An option of the URL beats the environment; credentials are taken whole from the first that has any.
 * (U2) No secret stands in `url`, in an error or in a log line: what was given as userinfo is never repeated.
 * (U3) Whatever is wrong is refused here, before anything is opened.
 */

import { readFileSync } from 'node:fs'
import { CallboardError, messageOf, nearest } from '../../core/index.ts'

export type Credentials =
  | { readonly is: 'none' }
  | { readonly is: 'password'; readonly user: string; readonly password: string }
  | { readonly is: 'token'; readonly token: string }
  /** The text of a credentials file: a JWT and the seed that signs for it. */
  | { readonly is: 'creds'; readonly text: string }
  | { readonly is: 'nkey'; readonly seed: string }

export interface Tls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** Bytes each part may take at the server; undefined where nobody chose and the driver decides. */
export interface Quotas {
  readonly log: number | undefined
  readonly work: number | undefined
  readonly objects: number | undefined
  /** Of each bucket. */
  readonly kv: number | undefined
}

export interface NatsSettings {
  /** As given, without secrets. */
  readonly url: string
  /** `host:port`, in the order given. */
  readonly servers: readonly string[]
  readonly prefix: string
  readonly replicas: number
  readonly credentials: Credentials
  /** Undefined: TLS is used when the server asks for it. */
  readonly tls: Tls | undefined
  readonly quotas: Quotas
}

export type Environment = Readonly<Record<string, string | undefined>>

/** Environment variables that carry credentials, and what they are. */
export const NATS_ENVIRONMENT = {
  CALLBOARD_NATS_CREDS: 'path of a credentials file (JWT and seed)',
  CALLBOARD_NATS_NKEY: 'an nkey seed, or the path of a file that holds one',
  CALLBOARD_NATS_PASSWORD: 'password of CALLBOARD_NATS_USER',
  CALLBOARD_NATS_TLS_CA: 'path of the certificates to trust, PEM',
  CALLBOARD_NATS_TLS_CERT: "path of this client's certificate, PEM",
  CALLBOARD_NATS_TLS_KEY: "path of this client's private key, PEM",
  CALLBOARD_NATS_TOKEN: 'a token',
  CALLBOARD_NATS_USER: 'a user name',
} as const

type Variable = keyof typeof NATS_ENVIRONMENT

const OPTIONS = [
  'creds',
  'kv_bytes',
  'log_bytes',
  'nkey',
  'objects_bytes',
  'prefix',
  'replicas',
  'tls_ca',
  'tls_cert',
  'tls_key',
  'work_bytes',
] as const

type Option = (typeof OPTIONS)[number]

const DEFAULT_PREFIX = 'cb'
const DEFAULT_PORT = 4222
const MOST_REPLICAS = 5
const SMALLEST_QUOTA = 1024 ** 2
/** No `_`: it joins the prefix to a bucket's name. Lower case: stream names are its upper case. */
const PREFIX_PATTERN = /^[a-z][a-z0-9-]{0,23}$/
const HOST_PATTERN = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/
const URL_PATTERN = /^(nats|tls):\/\/(?:([^@/?#]*)@)?([^@/?#]*)\/?(?:\?([^#]*))?$/
/** What is not even shaped like an option may be the rest of a password and is not repeated (U2). */
const OPTION_PATTERN = /^[a-z_]{1,32}$/i
const ENCODE_HINT = 'Characters such as @, / and ? in a user name or password are written percent-encoded.'
const SIZE_PATTERN = /^(\d+)(?:([KMGT])(?:i?B)?)?$/i
const SEED_PATTERN = /^S[A-Z2-7]{57}$/
const CREDS_PATTERN = /BEGIN NATS USER JWT[\s\S]*BEGIN USER NKEY SEED/
const SIZE_UNITS = ['K', 'M', 'G', 'T']

/** @throws CB_E_BROKER_URL, CB_E_URL_OPTION, CB_E_SETTING_INVALID */
export function resolveSettings(url: string, environment: Environment): NatsSettings {
  const parts = URL_PATTERN.exec(url)
  if (!parts)
    throw new CallboardError(
      'CB_E_BROKER_URL',
      `The broker URL is not of the form nats://[user:password@]host:port[,host:port][?option=value]. ${ENCODE_HINT}`,
    )
  const [, scheme = '', userinfo, hosts = '', query = ''] = parts
  const servers = hosts.split(',').map((text, index) => serverOf(text, index))
  const options = optionsOf(query)
  const tls = tlsOf(scheme, options, environment)
  return {
    url: `${scheme}://${servers.join(',')}${options.size > 0 ? `?${shown(options)}` : ''}`,
    servers,
    prefix: prefixOf(options),
    replicas: wholeOption(options, 'replicas', 1, 1, MOST_REPLICAS),
    credentials: credentialsOf(userinfo, options, environment),
    tls,
    quotas: {
      log: sizeOption(options, 'log_bytes'),
      work: sizeOption(options, 'work_bytes'),
      objects: sizeOption(options, 'objects_bytes'),
      kv: sizeOption(options, 'kv_bytes'),
    },
  }
}

function serverOf(text: string, index: number): string {
  const found = HOST_PATTERN.exec(text)
  const port = Number(found?.[1] ?? DEFAULT_PORT)
  if (!found || port < 1 || port > 65_535)
    throw new CallboardError(
      'CB_E_BROKER_URL',
      `Address ${index + 1} in the broker URL is not a host:port. ${ENCODE_HINT}`,
    )
  return found[1] === undefined ? `${text}:${DEFAULT_PORT}` : text
}

function optionsOf(query: string): Map<Option, string> {
  const options = new Map<Option, string>()
  for (const [name, value] of new URLSearchParams(query)) {
    if (!OPTION_PATTERN.test(name))
      throw new CallboardError('CB_E_URL_OPTION', `The broker URL has a malformed option. ${ENCODE_HINT}`)
    if (!isOption(name)) {
      const near = nearest(name, OPTIONS)
      const hint = near ? `Did you mean "${near}"?` : `Known are ${OPTIONS.join(', ')}.`
      throw new CallboardError(
        'CB_E_URL_OPTION',
        `The broker URL has an option "${name}", which is unknown. ${hint}`,
      )
    }
    options.set(name, value)
  }
  return options
}

function isOption(name: string): name is Option {
  return OPTIONS.some((option) => option === name)
}

function shown(options: ReadonlyMap<Option, string>): string {
  return new URLSearchParams([...options]).toString().replaceAll('%2F', '/')
}

function prefixOf(options: ReadonlyMap<Option, string>): string {
  const prefix = options.get('prefix') ?? DEFAULT_PREFIX
  if (!PREFIX_PATTERN.test(prefix))
    throw badOption('prefix', prefix, '1 to 24 characters of a-z, 0-9 and -, the first one a letter')
  return prefix
}

function wholeOption(
  options: ReadonlyMap<Option, string>,
  name: Option,
  preset: number,
  min: number,
  max: number,
): number {
  const text = options.get(name)
  if (text === undefined) return preset
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw badOption(name, text, `a whole number from ${min} to ${max}`)
  return value
}

function sizeOption(options: ReadonlyMap<Option, string>, name: Option): number | undefined {
  const text = options.get(name)
  if (text === undefined) return undefined
  const found = SIZE_PATTERN.exec(text)
  const power = SIZE_UNITS.indexOf(found?.[2]?.toUpperCase() ?? '') + 1
  const bytes = Number(found?.[1] ?? Number.NaN) * 1024 ** power
  if (!(bytes >= SMALLEST_QUOTA && Number.isSafeInteger(bytes)))
    throw badOption(name, text, 'a size of at least 1MiB, such as 512MiB or 20GiB')
  return bytes
}

function badOption(name: Option, value: string, allowed: string): CallboardError {
  return new CallboardError(
    'CB_E_URL_OPTION',
    `The option "${name}" of the broker URL is "${value}". Give ${allowed}.`,
  )
}

function credentialsOf(
  userinfo: string | undefined,
  options: ReadonlyMap<Option, string>,
  environment: Environment,
): Credentials {
  const creds = options.get('creds')
  const nkey = options.get('nkey')
  const ways = [userinfo && 'user information', creds && 'creds', nkey && 'nkey'].filter(Boolean)
  if (ways.length > 1)
    throw new CallboardError('CB_E_URL_OPTION', `The broker URL has ${ways.join(' and ')}. Give one of them.`)
  if (userinfo) return credentialsOfUserinfo(userinfo)
  if (creds) return credsOf('the option "creds"', creds)
  if (nkey) return nkeyOf('the option "nkey"', nkey)
  return credentialsOfEnvironment(environment)
}

function credentialsOfUserinfo(userinfo: string): Credentials {
  try {
    const colon = userinfo.indexOf(':')
    if (colon < 0) return { is: 'token', token: decodeURIComponent(userinfo) }
    const [user, password] = [userinfo.slice(0, colon), userinfo.slice(colon + 1)]
    return { is: 'password', user: decodeURIComponent(user), password: decodeURIComponent(password) }
  } catch {
    throw new CallboardError(
      'CB_E_BROKER_URL',
      'The user information in the broker URL is not percent-encoded correctly.',
    )
  }
}

function credentialsOfEnvironment(environment: Environment): Credentials {
  const of = (variable: Variable) => environment[variable] || undefined
  const creds = of('CALLBOARD_NATS_CREDS')
  if (creds) return credsOf('CALLBOARD_NATS_CREDS', creds)
  const nkey = of('CALLBOARD_NATS_NKEY')
  if (nkey) return SEED_PATTERN.test(nkey) ? { is: 'nkey', seed: nkey } : nkeyOf('CALLBOARD_NATS_NKEY', nkey)
  const user = of('CALLBOARD_NATS_USER')
  if (user) return { is: 'password', user, password: of('CALLBOARD_NATS_PASSWORD') ?? '' }
  const token = of('CALLBOARD_NATS_TOKEN')
  return token ? { is: 'token', token } : { is: 'none' }
}

function credsOf(what: string, path: string): Credentials {
  const text = fileOf(what, path)
  if (CREDS_PATTERN.test(text)) return { is: 'creds', text }
  throw new CallboardError(
    'CB_E_SETTING_INVALID',
    `The file that ${what} names is not a NATS credentials file.`,
  )
}

/** What is no path may be a mistyped seed: neither it nor what reading it said is repeated. (U2) */
function nkeyOf(what: string, path: string): Credentials {
  let seed = ''
  try {
    seed = readFileSync(path, 'utf8').trim()
  } catch {}
  if (SEED_PATTERN.test(seed)) return { is: 'nkey', seed }
  throw new CallboardError(
    'CB_E_SETTING_INVALID',
    `What ${what} names is not a readable file with an nkey seed in it.`,
  )
}

function tlsOf(
  scheme: string,
  options: ReadonlyMap<Option, string>,
  environment: Environment,
): Tls | undefined {
  const files = [
    ['ca', 'tls_ca', 'CALLBOARD_NATS_TLS_CA'],
    ['cert', 'tls_cert', 'CALLBOARD_NATS_TLS_CERT'],
    ['key', 'tls_key', 'CALLBOARD_NATS_TLS_KEY'],
  ] as const
  const tls: { ca?: string; cert?: string; key?: string } = {}
  for (const [part, option, variable] of files) {
    const fromUrl = options.get(option)
    const path = fromUrl ?? environment[variable]
    if (path) tls[part] = fileOf(fromUrl ? `the option "${option}"` : variable, path)
  }
  if ((tls.cert === undefined) !== (tls.key === undefined))
    throw new CallboardError(
      'CB_E_URL_OPTION',
      'A TLS certificate and its key go together: give tls_cert and tls_key, or neither.',
    )
  return scheme === 'tls' || tls.ca !== undefined || tls.cert !== undefined ? tls : undefined
}

function fileOf(what: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new CallboardError(
      'CB_E_SETTING_INVALID',
      `The file that ${what} names cannot be read: ${messageOf(cause)}`,
      {
        cause,
      },
    )
  }
}
