/** JetStream's JSON, as far as this driver reads and writes it. Durations are nanoseconds, times RFC 3339. */

export interface ApiError {
  /** Like an HTTP status. */
  readonly code: number
  readonly err_code: number
  readonly description: string
}

export type Reply<T> = T | { readonly error: ApiError }

/** Only fields that every supported server knows: newer ones refuse what they do not know, older ones drop it. */
export interface StreamConfig {
  readonly name: string
  readonly description: string
  readonly subjects: readonly string[]
  readonly retention: 'limits' | 'workqueue'
  readonly storage: 'file'
  readonly discard: 'new'
  readonly num_replicas: number
  readonly max_age: number
  readonly max_bytes: number
  readonly max_msgs: number
  readonly max_msgs_per_subject: number
  readonly max_msg_size: number
  readonly max_consumers: number
  readonly duplicate_window: number
  readonly allow_direct: boolean
  readonly allow_rollup_hdrs: boolean
  readonly deny_delete: boolean
  readonly deny_purge: boolean
  readonly no_ack: boolean
  readonly sealed: boolean
}

export interface StreamInfo {
  readonly config: Partial<StreamConfig>
  readonly created: string
  readonly state: {
    readonly messages: number
    readonly bytes: number
    readonly first_seq: number
    readonly last_seq: number
  }
}

export interface ConsumerConfig {
  readonly name?: string
  readonly durable_name?: string
  readonly ack_policy: 'none' | 'explicit'
  readonly deliver_policy: 'all' | 'by_start_sequence'
  readonly opt_start_seq?: number
  readonly replay_policy: 'instant'
  readonly filter_subject?: string
  readonly headers_only?: boolean
  readonly ack_wait?: number
  readonly max_deliver?: number
  readonly max_ack_pending?: number
  readonly max_waiting?: number
  readonly inactive_threshold?: number
  readonly mem_storage?: boolean
  readonly num_replicas?: number
}

export interface ConsumerInfo {
  readonly name: string
  readonly config: Partial<ConsumerConfig>
  readonly num_pending: number
  readonly num_ack_pending: number
}

export interface StoredMessage {
  readonly message: {
    readonly subject: string
    readonly seq: number
    /** Base64. */
    readonly data?: string
    /** Base64. */
    readonly hdrs?: string
    readonly time: string
  }
}

export interface PubAck {
  readonly seq?: number
  readonly duplicate?: boolean
  readonly error?: ApiError
}

export interface PullRequest {
  readonly batch: number
  readonly max_bytes?: number
  readonly expires?: number
  readonly idle_heartbeat?: number
  readonly no_wait?: boolean
}

/** Error codes of JetStream that mean something to this driver. */
export const API = {
  noSuitablePeers: 10005,
  notAvailable: 10008,
  notLeader: 10009,
  consumerNotFound: 10014,
  insufficientResources: 10023,
  notEnabledForAccount: 10039,
  messageNotFound: 10037,
  sequenceNotFound: 10043,
  storageExceeded: 10047,
  messageTooLarge: 10054,
  deleteFailed: 10057,
  streamNameInUse: 10058,
  subjectsOverlap: 10065,
  streamNotFound: 10059,
  wrongLastSequence: 10071,
  notEnabled: 10076,
  storeFailed: 10077,
  streamOffline: 10118,
  consumerOffline: 10119,
  /** 2.11: another message with this id is on its way. */
  duplicateInFlight: 10158,
  /** 2.12: an earlier message on this subject is not applied yet. */
  lastSequenceNotReady: 10163,
  /** 2.11: another message on this subject is on its way. */
  wrongLastSequenceInFlight: 10164,
  /** 2.12. */
  tooManyRequests: 10167,
  resourceLimits: 10002,
} as const

/** Header names. */
export const HEADER = {
  messageId: 'Nats-Msg-Id',
  expectedLastSubjectSequence: 'Nats-Expected-Last-Subject-Sequence',
  sequence: 'Nats-Sequence',
  subject: 'Nats-Subject',
  timeStamp: 'Nats-Time-Stamp',
  lastConsumer: 'Nats-Last-Consumer',
  kvOperation: 'KV-Operation',
} as const

export const nanos = (ms: number): number => ms * 1_000_000

/** What stands in the reply subject of a message that a consumer delivered. */
export interface Delivery {
  readonly streamSequence: number
  readonly consumerSequence: number
  readonly deliveries: number
  /** When the stream took the message, milliseconds since the epoch. */
  readonly at: number
  /** How many more the consumer had for us then. */
  readonly pending: number
}

const ACK_PREFIX = '$JS.ACK.'
/** `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.<time>.<pending>` */
const ACK_TOKENS = 9
/** Newer servers may put a domain and an account before the stream. */
const ACK_TOKENS_WITH_DOMAIN = 11

/** Undefined when the message is not one that a consumer delivered. */
export function deliveryOf(replySubject: string): Delivery | undefined {
  if (!replySubject.startsWith(ACK_PREFIX)) return undefined
  const tokens = replySubject.split('.')
  if (tokens.length < ACK_TOKENS) return undefined
  const at = tokens.length >= ACK_TOKENS_WITH_DOMAIN ? 6 : 4
  return {
    deliveries: Number(tokens[at]),
    streamSequence: Number(tokens[at + 1]),
    consumerSequence: Number(tokens[at + 2]),
    at: millisOfNanos(tokens[at + 3] ?? ''),
    pending: Number(tokens[at + 4]),
  }
}

/** Nanoseconds since the epoch have more digits than a number holds. */
function millisOfNanos(text: string): number {
  return Number(text.slice(0, -6))
}
