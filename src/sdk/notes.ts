/** What a run says about itself beside its log lines: progress, events, signs of life. Notes in its log. */

import { encodeToJson, type JsonObject } from '../core/index.ts'
import { anyText, checkOptions, factor, labels, text } from './check-options.ts'
import { identify } from './identity.ts'
import { type Scope, scopeFor } from './scope.ts'

/**
 * Tells how far the run is: shown to people.
 *
 * @throws CB_E_CONTEXT_MISSING outside of a run, CB_E_OPTION_INVALID
 */
export async function progress(done: number, total: number, note?: string): Promise<void> {
  const scope = scopeFor('progress()')
  checkOptions('progress()', { done, total, note }, { done: factor, total: factor, note: anyText })
  await say(scope, 'progress', { done, total, ...(note === undefined ? {} : { note }) })
}

export interface EventOptions {
  /** What it happened to: its id, and what else is to be known of it. */
  readonly resource?: { readonly id: string; readonly [label: string]: string }
  /** Anything storable. */
  readonly payload?: unknown
}

/**
 * Tells whoever listens that something has happened: in the run's log, in its events and on the live socket. Each call
 * has an id of its own; told again in a replay, it has the same one.
 *
 * ```ts
 * await emitEvent('order.shipped', { resource: { id: 'order/42' }, payload: { parcels: 2 } })
 * ```
 *
 * @throws CB_E_CONTEXT_MISSING outside of a run, CB_E_OPTION_INVALID, CB_E_VALUE_UNSERIALISABLE
 */
export async function emitEvent(event: string, { payload, resource }: EventOptions = {}): Promise<void> {
  const scope = scopeFor('emitEvent()')
  checkOptions('emitEvent()', { event, resource }, { event: text, resource: labels })
  const id = `${scope.flow.session.start.run}/${identify(scope, `event:${event}`)}`
  await say(scope, 'event', {
    id,
    event,
    ...(resource === undefined ? {} : { resource }),
    ...(payload === undefined ? {} : { payload: encodeToJson(payload, 'payload') }),
  })
}

/** A sign of life that is younger than this is not noted again. */
const HEARTBEAT_NOTE_MS = 30_000
const beats = new WeakMap<object, number>()

/**
 * Says that the code is still at it. A task with `heartbeatSeconds` must say so at least that often. It is cheap: call it
 * in every turn of a loop; people are told every half a minute.
 */
export async function heartbeat(): Promise<void> {
  const scope = scopeFor('heartbeat()')
  const { flow, task } = scope
  task?.body.beat()
  const now = flow.env.deps.clock.now()
  const who = task ?? flow
  const before = beats.get(who)
  if (before !== undefined && now - before < HEARTBEAT_NOTE_MS) return
  beats.set(who, now)
  await say(scope, 'heartbeat', {})
}

async function say({ flow, task }: Scope, kind: string, data: JsonObject): Promise<void> {
  await flow.session.note(kind, data, task === undefined ? {} : { task: task.id })
}
