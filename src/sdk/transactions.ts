/**
 * Transactions: task runs that belong together. When one fails, what the others did is undone by their rollback hooks.
 *
 * Invariants
 * (X1) Hooks run once: in order of staging at commit, backwards at rollback; those of inner transactions with them.
 * (X2) `lazy` (the default): an inner transaction is committed by the outermost one. `eager`: as soon as it ends.
 *      `off`: only by `commit()`; else rolled back at its end.
 * (X3) An error in a commit hook rolls everything back.
 * (X4) A value that is set is copied; inner transactions see those of the outer ones.
 */

import { CallboardError, decodeJson, encodeToJson } from '../core/index.ts'
import { lookUp } from './caching/index.ts'
import { runHooks, type TransactionHook } from './hooks.ts'
import type { RunLines } from './run-lines.ts'
import { type Scope, scopeFor, scopes } from './scope.ts'

export type TransactionMode = 'lazy' | 'eager' | 'off'

export interface TransactionOptions {
  /** A transaction that was committed under this key is not run again: its value is given. */
  readonly key?: string
  /** Default `lazy`. */
  readonly mode?: TransactionMode
}

/** What takes part in a transaction. */
export interface Participant {
  readonly onCommit: readonly TransactionHook[]
  readonly onRollback: readonly TransactionHook[]
  /** After all commit hooks have run. */
  committed?(): Promise<void>
  /** After its rollback hooks have run. */
  rolledBack?(): Promise<void>
}

export type TransactionState = 'active' | 'staged' | 'committed' | 'rolled-back'

export class Transaction {
  readonly key: string | undefined
  readonly mode: TransactionMode
  readonly parent: Transaction | undefined
  readonly #values = new Map<string, unknown>()
  readonly #parts: (Participant | Transaction)[] = []
  readonly #lines: RunLines
  #state: TransactionState = 'active'

  constructor(options: TransactionOptions, parent: Transaction | undefined, lines: RunLines) {
    this.key = options.key
    this.mode = options.mode ?? 'lazy'
    this.parent = parent
    this.#lines = lines
  }

  get state(): TransactionState {
    return this.#state
  }

  /** (X4) */
  set(name: string, value: unknown): void {
    this.#values.set(name, structuredClone(value))
  }

  /** (X4) The value of the innermost transaction that has one. */
  get(name: string): unknown {
    if (this.#values.has(name)) return structuredClone(this.#values.get(name))
    return this.parent?.get(name)
  }

  /** Runs when this transaction is committed. */
  onCommit(hook: TransactionHook): void {
    this.stage({ onCommit: [hook], onRollback: [] })
  }

  /** Runs when this transaction is rolled back. */
  onRollback(hook: TransactionHook): void {
    this.stage({ onCommit: [], onRollback: [hook] })
  }

  /** Takes part from now on. */
  stage(part: Participant | Transaction): void {
    if (this.#state !== 'active' && this.#state !== 'staged')
      throw new CallboardError(
        'CB_E_TRANSACTION',
        `The transaction ${this.key ?? ''} is ${this.#state} already: nothing can be added to it. Await everything inside of it.`,
      )
    this.#parts.push(part)
  }

  /** Commits now, whatever the mode. @throws what a commit hook threw; it is rolled back then (X3) */
  async commit(): Promise<void> {
    if (this.#state === 'committed' || this.#state === 'rolled-back') return
    try {
      await this.#commitParts()
    } catch (error) {
      await this.rollBack()
      throw error
    }
  }

  /** Undoes everything, the last first, then what the transaction around it did. */
  async rollBack(): Promise<void> {
    if (this.#state === 'rolled-back') return
    this.#state = 'rolled-back'
    for (const part of this.#parts.toReversed()) {
      if (part instanceof Transaction) {
        await part.rollBack()
        continue
      }
      await runHooks('rollback', part.onRollback, this.#lines, this)
      await part.rolledBack?.()
    }
    await this.parent?.rollBack()
  }

  /** Its code has ended well. @throws CB_E_TRANSACTION when the one around it has ended before */
  async end(): Promise<void> {
    if (this.#state !== 'active') return
    if (this.mode === 'off') return this.rollBack()
    if (this.mode === 'eager' || this.parent === undefined) return this.commit()
    if (this.parent.state === 'rolled-back') await this.rollBack()
    else this.#state = 'staged'
    this.parent.stage(this)
  }

  async #commitParts(): Promise<void> {
    for (const part of this.#parts) {
      if (part instanceof Transaction) await part.#commitParts()
      else for (const hook of part.onCommit) await hook(this)
    }
    for (const part of this.#parts) if (!(part instanceof Transaction)) await part.committed?.()
    this.#state = 'committed'
  }
}

/**
 * Runs code as a transaction: when it throws, the rollback hooks of the tasks that completed in it run, the last first,
 * and those task runs become RolledBack.
 *
 * ```ts
 * await transaction({}, async () => {
 *   await writeFile('a.txt')      // task({ onRollback: () => rm('a.txt') }, …)
 *   await checkQuality()
 * })
 * ```
 *
 * @throws what the code threw; CB_E_CONTEXT_MISSING outside of a run
 */
export async function transaction<T>(
  options: TransactionOptions,
  code: (transaction: Transaction) => T | Promise<T>,
): Promise<T> {
  const scope = scopeFor('transaction()')
  const lines = scope.task?.lines ?? scope.flow.lines
  const known = options.key === undefined ? undefined : await keyed(scope, options.key)
  if (known?.found !== undefined) return decodeJson(known.found.v) as T
  const own = new Transaction(options, scope.transaction, lines)
  if (known !== undefined)
    own.stage({
      onCommit: [],
      onRollback: [],
      committed: async () => known.remember(encodeToJson(value, 'value')),
    })
  let value: T
  try {
    value = await scopes.run({ ...scope, transaction: own }, () => code(own))
  } catch (error) {
    await own.rollBack()
    await known?.release()
    throw error
  }
  await own.end()
  return value
}

/** What is remembered of a transaction of this key. */
function keyed({ flow, task }: Scope, key: string) {
  const lines = task?.lines ?? flow.lines
  const context = {
    task: { name: 'transaction', fn: () => {} },
    inputs: {},
    flowRunId: flow.session.start.run,
    flowParameters: flow.parameters,
  }
  return lookUp(flow.env, { cacheKeyFn: () => `transaction ${key}` }, context, lines)
}
