/**
 * The two kinds of tokens: API keys, kept as hashes at the broker, and run tokens, which are kept nowhere: they are signed
 * with a secret that all gateways of a cluster share.
 *
 * Invariants
 * (T1) A key is 256 random bits. What is kept of it is its SHA-256, which nobody can turn back, so no salt is needed.
 * (T2) Signatures are compared in constant time, before anything of a token is believed.
 */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { Random } from '../../core/index.ts'
import type { Principal } from './principal.ts'

const KEY_PREFIX = 'cb_'
const TOKEN_PREFIX = 'cbr_'
const KEY_BYTES = 32

/** A new API key: shown once, and what is kept. */
export function newKey(random: Random): { readonly key: string; readonly hash: string } {
  const key = KEY_PREFIX + Buffer.from(random.bytes(KEY_BYTES)).toString('base64url')
  return { key, hash: hashOf(key) }
}

/** (T1) */
export function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

export function isRunToken(token: string): boolean {
  return token.startsWith(TOKEN_PREFIX)
}

type RunToken = Extract<Principal, { is: 'run-token' }>

const SCOPE_LETTERS = { read: 'r', signal: 's' } as const

/** What a run token may let its bearer do. */
export type RunTokenScope = keyof typeof SCOPE_LETTERS

export interface RunTokenTerms {
  readonly run: string
  readonly scopes: readonly RunTokenScope[]
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  /** The name of whoever hands it out. */
  readonly issuer?: string | undefined
}

export function signRunToken(secret: Buffer, { run, scopes, expiresAt, issuer = '' }: RunTokenTerms): string {
  const letters = scopes.map((scope) => SCOPE_LETTERS[scope]).join('')
  const said = Buffer.from(JSON.stringify([run, letters, expiresAt, issuer])).toString('base64url')
  return `${TOKEN_PREFIX}${said}.${signature(secret, said)}`
}

/** Undefined when it is not one of ours, or has run out. (T2) */
export function readRunToken(secret: Buffer, token: string, now: number): RunToken | undefined {
  const [said = '', signed = '', ...rest] = token.slice(TOKEN_PREFIX.length).split('.')
  if (rest.length > 0 || !isSame(signature(secret, said), signed)) return undefined
  const [run, letters, expiresAt, issuer]: [string, string, number, string] = JSON.parse(
    Buffer.from(said, 'base64url').toString(),
  )
  if (expiresAt <= now) return undefined
  const scopes = (['read', 'signal'] as const).filter((scope) => letters.includes(SCOPE_LETTERS[scope]))
  return { is: 'run-token', run, scopes, expiresAt, issuer: issuer === '' ? undefined : issuer }
}

function signature(secret: Buffer, said: string): string {
  return createHmac('sha256', secret).update(TOKEN_PREFIX).update(said).digest('base64url')
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
