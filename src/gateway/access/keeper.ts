/**
 * The keeper of the door: who a token stands for. It watches the keys at the broker, so that a key that is deleted, or
 * narrowed, counts no longer as it was: for the next request, and for sockets that are open.
 *
 * Invariants
 * (K1) A token is looked up by its hash; the token itself is kept nowhere, not in memory and not in a log.
 * (K2) Nobody who was let in stays longer than what let them in holds.
 * (K3) The secret of run tokens is made once for a cluster: of several gateways that start at once, one makes it.
 */

import type { Broker, KvWatch } from '../../broker/index.ts'
import type { ApiKey, Catalog, Change } from '../../catalog/index.ts'
import { CallboardError, type Deps, isJsonObject, type Service, service } from '../../core/index.ts'
import type { Principal } from './principal.ts'
import { hashOf, isRunToken, type RunTokenTerms, readRunToken, signRunToken } from './tokens.ts'

const SECRETS_BUCKET = 'secrets'
const RUN_TOKEN_SECRET = 'run-tokens'
const SECRET_BYTES = 32

export interface Keeper extends Service {
  /** Whether there is any key. */
  readonly hasKeys: boolean
  /** Who a token stands for; undefined for nobody. */
  admit(token: string): Principal | undefined
  /** Calls back once what let them in holds no longer (K2); returns what ends that. */
  whenOver(principal: Principal, handler: () => void): () => void
  /** A token for one run. */
  issue(terms: RunTokenTerms): string
}

export interface KeeperOptions {
  readonly broker: Pick<Broker, 'kv'>
  readonly catalog: Pick<Catalog, 'apiKeys'>
  readonly deps: Deps
}

interface Watcher {
  readonly principal: Principal
  readonly handler: () => void
}

/** Keys that are kept in a bucket under other names than their hash. */
interface Kept {
  readonly hash: string
  readonly principal: Extract<Principal, { is: 'key' }>
  /** What it was made from, to see whether it has changed. */
  readonly text: string
}

export function createKeeper({ broker, catalog, deps }: KeeperOptions): Keeper {
  const byPlace = new Map<string, Kept>()
  const byHash = new Map<string, Kept>()
  const watchers = new Set<Watcher>()
  let secret: Buffer | undefined
  let watch: KvWatch | undefined

  function changed(change: Change<ApiKey>): void {
    const before = byPlace.get(change.key)
    if (change.kind === 'put' && before?.text === JSON.stringify(change.value)) return
    if (before !== undefined) {
      byPlace.delete(change.key)
      byHash.delete(before.hash)
      for (const { principal, handler } of [...watchers]) if (principal === before.principal) handler()
    }
    if (change.kind === 'gone') return
    const kept = keptOf(change.value)
    byPlace.set(change.key, kept)
    byHash.set(kept.hash, kept)
  }

  const secretNow = (): Buffer => {
    if (secret !== undefined) return secret
    throw new CallboardError('CB_E_STOPPED', 'The keeper of the keys was used before it was started.')
  }

  const life = service('The keeper of the keys', {
    async start() {
      secret = await sharedSecret(broker, deps)
      watch = await catalog.apiKeys.watch(changed)
      await watch.caughtUp
    },
    async stop() {
      await watch?.stop()
      watchers.clear()
    },
  })

  return {
    start: life.start,
    stop: life.stop,
    get hasKeys() {
      return byHash.size > 0
    },
    admit(token) {
      const now = deps.clock.now()
      if (isRunToken(token)) return readRunToken(secretNow(), token, now)
      const principal = byHash.get(hashOf(token))?.principal // (K1)
      return principal === undefined || (principal.expiresAt ?? Infinity) <= now ? undefined : principal
    },
    whenOver(principal, handler) {
      const watcher: Watcher = { principal, handler }
      const until = principal.is === 'anybody' ? undefined : principal.expiresAt
      const timer =
        until === undefined
          ? undefined
          : deps.clock.setTimer(until - deps.clock.now(), handler, { ref: false })
      watchers.add(watcher)
      return () => {
        timer?.cancel()
        watchers.delete(watcher)
      }
    },
    issue: (terms) => signRunToken(secretNow(), terms),
  }
}

function keptOf(key: ApiKey): Kept {
  const { name, scopes, only = {}, expiresAt, hash } = key
  return { hash, principal: { is: 'key', name, scopes, only, expiresAt }, text: JSON.stringify(key) }
}

/** (K3) */
async function sharedSecret({ kv }: Pick<Broker, 'kv'>, { random }: Deps): Promise<Buffer> {
  const bucket = await kv.bucket(SECRETS_BUCKET)
  const made = Buffer.from(random.bytes(SECRET_BYTES)).toString('base64url')
  await bucket.create(RUN_TOKEN_SECRET, { secret: made })
  const kept = await bucket.get(RUN_TOKEN_SECRET)
  if (kept !== undefined && isJsonObject(kept.value) && typeof kept.value.secret === 'string')
    return Buffer.from(kept.value.secret, 'base64url')
  throw new CallboardError(
    'CB_E_STORE_DAMAGED',
    `The secret of the run tokens (key '${RUN_TOKEN_SECRET}' of the bucket '${SECRETS_BUCKET}') cannot be read. Delete the key; all run tokens count no longer then.`,
  )
}
