/**
 * The vocabulary of states, once. Types drive rules, names are what people read; in the charts the type is the
 * parent state and the name the child state. `tests/actors` holds this table and the charts together.
 */

export const STATE_TYPES = [
  'SCHEDULED',
  'PENDING',
  'RUNNING',
  'PAUSED',
  'CANCELLING',
  'COMPLETED',
  'FAILED',
  'CRASHED',
  'CANCELLED',
] as const

export type StateType = (typeof STATE_TYPES)[number]

export type TerminalType = 'COMPLETED' | 'FAILED' | 'CRASHED' | 'CANCELLED'

/** Names a flow run can be in, by type. Code may give a COMPLETED, FAILED or CANCELLED state a name of its own. */
export const FLOW_STATES = {
  SCHEDULED: [
    'Scheduled',
    'Late',
    'AwaitingRetry',
    'AwaitingConcurrencySlot',
    'AwaitingRecovery',
    'Resuming',
  ],
  PENDING: ['Pending'],
  RUNNING: ['Running', 'Retrying'],
  PAUSED: ['Paused', 'Suspended', 'Sleeping', 'Waiting'],
  CANCELLING: ['Cancelling'],
  COMPLETED: ['Completed', 'Skipped'],
  FAILED: ['Failed', 'TimedOut'],
  CRASHED: ['Crashed'],
  CANCELLED: ['Cancelled'],
} as const satisfies Record<StateType, readonly string[]>

/** Names a task run can be in, by type. `NotReady` is PENDING by type, and the task run ends there. */
export const TASK_STATES = {
  SCHEDULED: ['Scheduled', 'AwaitingRetry', 'AwaitingConcurrencySlot'],
  PENDING: ['Pending', 'NotReady'],
  RUNNING: ['Running', 'Retrying'],
  PAUSED: ['Paused'],
  CANCELLING: ['Cancelling'],
  COMPLETED: ['Completed', 'Cached', 'Skipped', 'RolledBack'],
  FAILED: ['Failed', 'TimedOut', 'TriggerFailed'],
  CRASHED: ['Crashed'],
  CANCELLED: ['Cancelled'],
} as const satisfies Record<StateType, readonly string[]>

/** A state as it stands in a record: `RUNNING.Retrying`; behind the dot a custom name may stand. */
export type StateTag = `${StateType}.${string}`

export function tagOf(type: StateType, name: string): StateTag {
  return `${type}.${name}`
}

interface TagParts {
  readonly type: StateType
  readonly name: string
}

/** What the tags of the charts say: one answer for all, instead of two new texts for each. */
const KNOWN_TAGS: ReadonlyMap<StateTag, TagParts> = new Map(
  [FLOW_STATES, TASK_STATES].flatMap((states) =>
    STATE_TYPES.flatMap((type) => states[type].map((name) => [tagOf(type, name), { type, name }] as const)),
  ),
)

export function parseTag(tag: StateTag): TagParts {
  return KNOWN_TAGS.get(tag) ?? split(tag)
}

function split(tag: StateTag): TagParts {
  const dot = tag.indexOf('.')
  return { type: tag.slice(0, dot) as StateType, name: tag.slice(dot + 1) }
}

export function isTerminalType(type: StateType): type is TerminalType {
  return type === 'COMPLETED' || type === 'FAILED' || type === 'CRASHED' || type === 'CANCELLED'
}

/** Whether a run in this state will never move again by itself. Counts a task run's NotReady in. */
export function isTerminalTag(tag: StateTag): boolean {
  return tag === 'PENDING.NotReady' || isTerminalType(parseTag(tag).type)
}
