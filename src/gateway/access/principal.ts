/** Who asks, and what they may do. Everything that is asked of the gateway is asked by one of these. */

import type { RunFilter, Sender } from '../../api/index.ts'
import { type ApiKey, queuePrefix, type SCOPES } from '../../catalog/index.ts'
import { CallboardError } from '../../core/index.ts'

/** `read` sees; `signal` says something to runs; `run` starts them; `admin` does everything. */
export type Scope = (typeof SCOPES)[number]

export type Principal =
  /** Nobody showed anything, and nothing needs to be shown here. */
  | { readonly is: 'anybody' }
  | {
      readonly is: 'key'
      readonly name: string
      readonly scopes: readonly Scope[]
      readonly only: NonNullable<ApiKey['only']>
      /** Milliseconds since the epoch; undefined for never. */
      readonly expiresAt: number | undefined
    }
  /** Somebody with a token for one run. */
  | {
      readonly is: 'run-token'
      readonly run: string
      readonly scopes: readonly Scope[]
      readonly expiresAt: number
      /** Who handed it out. */
      readonly issuer: string | undefined
    }

/** What is asked of a run. */
export interface RunMark {
  readonly id: string
  readonly flow: string
  readonly tags: readonly string[]
  /** The broker's queue that it waits in. */
  readonly queue: string
}

export const ANYBODY: Principal = { is: 'anybody' }

/** How they are written into a run's log; undefined for anybody. */
export function nameOf(principal: Principal): string | undefined {
  switch (principal.is) {
    case 'anybody':
      return undefined
    case 'key':
      return principal.name
    case 'run-token':
      return principal.issuer === undefined ? 'run-token' : `run-token:${principal.issuer}`
  }
}

/** Whoever says something to a run, for the audit trail in its log. */
export function senderOf(principal: Principal, channel: string, address: string): Sender {
  const name = nameOf(principal)
  return { channel, address, ...(name === undefined ? {} : { principal: name }) }
}

function has(principal: Principal, scope: Scope): boolean {
  if (principal.is === 'anybody') return true
  return principal.scopes.includes(scope) || principal.scopes.includes('admin')
}

/** Whether they may have to do with every run there is, and with what is not about runs. */
export function isUnbound(principal: Principal): boolean {
  switch (principal.is) {
    case 'anybody':
      return true
    case 'key': {
      const { flow, tag, pool } = principal.only
      return flow === undefined && tag === undefined && pool === undefined
    }
    case 'run-token':
      return false
  }
}

/** Whether this run is theirs to have to do with. */
export function mayTouch(principal: Principal, run: RunMark): boolean {
  switch (principal.is) {
    case 'anybody':
      return true
    case 'key': {
      const { flow, tag, pool } = principal.only
      return (
        (flow === undefined || flow === run.flow) &&
        (tag === undefined || run.tags.includes(tag)) &&
        (pool === undefined || run.queue.startsWith(queuePrefix(pool)))
      )
    }
    case 'run-token':
      return principal.run === run.id
  }
}

/** A text that is the same for those who see the same runs. */
export function viewOf(principal: Principal): string {
  switch (principal.is) {
    case 'anybody':
      return ''
    case 'key':
      return JSON.stringify(principal.only)
    case 'run-token':
      return principal.run
  }
}

/**
 * Narrows a filter to what they may see, as far as a filter can say it: of a pool it cannot, so `mayTouch` decides.
 * Undefined when the two have no run in common.
 */
export function narrowed(principal: Principal, filter: RunFilter): RunFilter | undefined {
  if (principal.is === 'anybody') return filter
  if (principal.is === 'run-token') return within(filter.id, principal.run, (id) => ({ ...filter, id }))
  const { flow, tag } = principal.only
  const tagged = tag === undefined ? filter : { ...filter, tag: [...[filter.tag ?? []].flat(), tag] }
  return flow === undefined ? tagged : within(filter.flow, flow, (only) => ({ ...tagged, flow: only }))
}

function within(
  asked: string | readonly string[] | undefined,
  only: string,
  narrow: (only: string) => RunFilter,
): RunFilter | undefined {
  return asked === undefined || [asked].flat().includes(only) ? narrow(only) : undefined
}

/** @throws CB_E_FORBIDDEN */
export function demand(principal: Principal, scope: Scope): void {
  if (has(principal, scope)) return
  throw new CallboardError(
    'CB_E_FORBIDDEN',
    `This needs the scope '${scope}', which ${describe(principal)} does not have. Use a key that has it.`,
  )
}

/** @throws CB_E_FORBIDDEN when they are bound to some runs */
export function demandUnbound(principal: Principal): void {
  if (isUnbound(principal)) return
  throw new CallboardError(
    'CB_E_FORBIDDEN',
    `This is about more than the runs that ${describe(principal)} is bound to. Use a key without a filter.`,
  )
}

/** Tells nobody of runs that are not theirs; `facts` are what is known of the run. @throws CB_E_RUN_MISSING */
export function demandRun(principal: Principal, run: string, facts: RunMark | undefined): void {
  if (isUnbound(principal) || (principal.is === 'run-token' && principal.run === run)) return
  if (facts !== undefined && mayTouch(principal, facts)) return
  throw new CallboardError(
    'CB_E_RUN_MISSING',
    `There is no run ${run} that ${describe(principal)} may see. Check the id, and what the key is bound to.`,
  )
}

function describe(principal: Principal): string {
  switch (principal.is) {
    case 'anybody':
      return 'anybody'
    case 'key':
      return `the API key '${principal.name}'`
    case 'run-token':
      return 'this run token'
  }
}
