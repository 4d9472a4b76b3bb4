/** The record that brings a flow run into being. */

import type { FlowPolicy, Sender, ValueRef } from './events.ts'
import { beginFlow } from './flow-plans.ts'
import type { CreatedRecord } from './records.ts'

export interface RunInput {
  /** Now, ms since the epoch. */
  readonly at: number
  readonly flow: string
  readonly flowVersion?: string
  readonly name: string
  readonly parameters: ValueRef
  readonly tags?: readonly string[]
  /** When it is to start, ms since the epoch. Default: now. */
  readonly scheduledTime?: number
  readonly policy: FlowPolicy
  readonly idempotencyKey?: string
  readonly deployment?: string
  readonly parent?: { readonly run: string; readonly key: string }
  /** The root of the tree of runs this one belongs to; absent when it is one itself. */
  readonly root?: string
  readonly by: Sender
}

export function createdRecord(input: RunInput): CreatedRecord {
  const { at, scheduledTime = at, tags = [] } = input
  const { effects } = beginFlow({ at, scheduledTime, policy: input.policy })
  return { k: 'created', s: 'SCHEDULED.Scheduled', ...input, scheduledTime, tags, fx: effects }
}
