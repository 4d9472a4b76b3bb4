/**
 * The broker port: the least that every broker can honour, in five parts. The suite in
 * `src/testing/conformance` is its definition; a driver is done when it passes.
 *
 * Invariants every driver keeps
 * (P1) Positions in a log are revisions, 1, 2, 3, … without gap within a subject. A broker's own numbers
 *      appear only inside a `Cursor`, which nobody but the driver reads.
 * (P2) An append names the revision it builds on. Of any number of appends on the same revision exactly one
 *      is appended; the others learn of the conflict.
 * (P3) An append that was answered `appended` survives the death of any process. `capabilities.durability`
 *      says whether it also survives a power cut.
 * (P4) A time-out or a lost connection is not an answer. The driver settles it by reading back for the
 *      append's nonce; an append repeated with the same nonce and revision gets the first answer again.
 * (P5) Everything passes through real serialisation: what a reader gets shares nothing with what was given.
 * (P6) Every buffer is bounded. A full one is an error with a name (`CB_E_BUSY`) or back-pressure, never loss
 *      in silence.
 * (P7) Whatever is refused for its size or its name is refused before anything is written.
 */

import type { JsonValue } from '../core/index.ts'

// ───────────────────────────────────────────────────────────────────────────── Log

/** A position within one subject: 1 for the first entry; 0 means "nothing there yet". */
export type Rev = number

/** A position in the order of a whole log. Opaque: store it, hand it back, compare it with `Log.compare`. */
export type Cursor = string & { readonly __cursor: unique symbol }

/** One append: a batch of records that became visible together. */
export interface Entry {
  /** Usually the id of a flow run. One token (`TOKEN_PATTERN`); its partition is `partitionOf(subject)`. */
  readonly subject: string
  readonly rev: Rev
  /** When the broker took it, milliseconds since the epoch, by the broker's clock. */
  readonly at: number
  readonly cursor: Cursor
  /** What its writer gave to recognise it by. */
  readonly nonce: string
  readonly records: readonly JsonValue[]
  /** The subject is archived: this is its last entry for ever, and all older ones are gone. */
  readonly tombstone: boolean
}

export type AppendOutcome =
  | { readonly outcome: 'appended'; readonly rev: Rev; readonly cursor: Cursor }
  /** Another entry is there. Nothing was written. `rev` is the subject's newest, when the driver knows it. */
  | { readonly outcome: 'conflict'; readonly rev: Rev | undefined }
  /**
   * Not settled within `LogOptions.settleMs`: the broker is away. Repeat with the same nonce and revision, or
   * read the subject once it is back.
   */
  | { readonly outcome: 'unknown'; readonly cause: unknown }

export interface AppendOptions {
  /** The revision this append builds on; 0 creates the subject. */
  readonly expect: Rev
  /**
   * Recognises this append when its answer was lost. Unique per append; one token. Made up when absent. It is
   * judged together with subject and revision: with another of either it is another append.
   */
  readonly nonce?: string
  /**
   * Where the entry at `expect` stands, as its append or a reader was told, for whoever has it from somebody else: spares
   * some drivers a look-up. Taken at its word, so it must be the cursor of that very entry; one that cannot be read is as none.
   */
  readonly after?: Cursor
}

/** Which entries a follower wants: all, or those of some partitions. */
export type FollowFilter = { readonly partitions: 'all' | ReadonlySet<number> }

export interface FollowOptions {
  /**
   * How long what comes after a batch may be held back, milliseconds, so that it makes one batch with what follows. What
   * comes after a pause of this length is told at once. A batch costs about as much as an entry, so whoever need not
   * hear of everything at once spares the broker and himself most of the work. Default 0.
   */
  readonly gatherMs?: number
}

export interface Following {
  /**
   * Resolves once everything that was in the log when following began has been handled. Rejects when
   * following ends before that. A rejection that nobody waits for is not an unhandled one.
   */
  readonly caughtUp: Promise<void>
  /**
   * Settles when following ends: resolves after `stop` (of the following or of the broker), rejects with what
   * the handler threw, or with a coded error when it cannot go on. A rejection that nobody waits for is not an
   * unhandled one.
   */
  readonly ended: Promise<void>
  /** After it resolves the handler is not called again, and its last call has settled. Idempotent. */
  stop(): Promise<void>
}

export interface Log {
  /**
   * Appends a batch of records, each one JSON text, as one entry. An empty batch is an entry without records.
   * A record's size is that of its text in UTF-8; a batch's is the sum over its records.
   *
   * @throws CB_E_PAYLOAD_TOO_LARGE, CB_E_NAME_INVALID, CB_E_JSON (a record that is not one JSON text: a single
   * unreadable one would end every following) before anything is written; CB_E_STORE_FULL when the broker has
   * no room; CB_E_BUSY when too many appends wait. Everything else is an outcome.
   */
  append(subject: string, records: readonly string[], options: AppendOptions): Promise<AppendOutcome>
  /** The newest entry of a subject (of an archived one its tombstone), or undefined. Cheap: one look-up. */
  last(subject: string): Promise<Entry | undefined>
  /**
   * The entries of a subject in order, from revision `from` (default 1) to the newest one at the time of
   * the call, or a later one. An unknown subject has none; of an archived one only the tombstone is left.
   */
  read(subject: string, options?: { readonly from?: Rev }): AsyncIterable<Entry>
  /**
   * Calls `handler` with batches of entries, none empty, in the log's order, for ever. The next batch waits for
   * the handler's promise: that is the back-pressure. A handler that throws ends the following.
   *
   * From a cursor it goes on with what comes after that position; from `tail` with what is appended after the
   * returned promise has resolved. Entries that an archive deleted before they were handed over are passed by.
   * After a broken connection it goes on by itself from where it was: no gap, no duplicate.
   *
   * @throws CB_E_CURSOR_INVALID, CB_E_CURSOR_LOST
   */
  follow(
    filter: FollowFilter,
    from: 'start' | 'tail' | Cursor,
    handler: (entries: readonly Entry[]) => void | Promise<void>,
    options?: FollowOptions,
  ): Promise<Following>
  /** The position of the newest entry in the log; what is appended after this call comes after it. */
  end(): Promise<Cursor>
  /**
   * Negative when `a` is before `b`, 0 when they are the same position, positive when after.
   *
   * @throws CB_E_CURSOR_INVALID
   */
  compare(a: Cursor, b: Cursor): number
  /**
   * Ends a subject for ever: appends a tombstone carrying `records` on top of `expect`, then deletes the older
   * entries. From then on every append is a conflict, so an id can never come back to life. Calling it
   * again on an archived subject finishes a deletion that was cut short and answers `appended`, with the
   * tombstone's revision, whatever it expects. A subject that never was can be archived too (expecting 0).
   * Refuses what `append` refuses.
   */
  archive(subject: string, records: readonly string[], options: AppendOptions): Promise<AppendOutcome>
}

// ───────────────────────────────────────────────────────────────────────────── Queue

/** 0 is served first. */
export type Priority = 0 | 1 | 2 | 3

export interface EnqueueOptions {
  /**
   * Enqueued twice in one queue within the broker's dedup window (at least 2 minutes), it is there once, also
   * when the first was acknowledged meanwhile. One to 128 printable characters (U+0020 to U+007E).
   */
  readonly id: string
  /** Default 1. */
  readonly priority?: Priority
}

/** An item that this process holds for a moment: act on it, then `ack` or `release`. */
export interface Claimed {
  readonly queue: string
  readonly id: string
  readonly priority: Priority
  readonly item: JsonValue
  /** 1 at the first delivery. */
  readonly delivery: number
  /**
   * Done with it: it is gone for good. Resolves once the broker has said so. When the claim has expired it
   * resolves all the same, and the item may come again.
   */
  ack(): Promise<void>
  /** Give it back: another claimer gets it at once. Nothing happens when it is not held here any more. */
  release(): Promise<void>
}

export interface Queue {
  /**
   * A queue's name is one token.
   *
   * @throws CB_E_NAME_INVALID, CB_E_PAYLOAD_TOO_LARGE, CB_E_STORE_FULL, CB_E_BROKER_UNAVAILABLE
   */
  enqueue(queue: string, item: JsonValue, options: EnqueueOptions): Promise<{ readonly duplicate: boolean }>
  /**
   * Resolves as soon as there is something: 1 to `max` items. Queues named earlier are served first,
   * strictly; within a queue by priority, then by age. Two claimers never hold the same item at the same
   * time; one neither acknowledged nor released within `claimTimeoutMs` (30 s) is delivered anew.
   *
   * When `signal` fires (or had fired before), or the broker is stopped meanwhile, it resolves with an empty
   * list and holds nothing.
   */
  claim(queues: readonly string[], max: number, signal: AbortSignal): Promise<readonly Claimed[]>
  /** How many items wait, unclaimed. For display; already old when it arrives. */
  depth(queue: string): Promise<number>
}

// ───────────────────────────────────────────────────────────────────────────── Bus

export type RequestOutcome =
  | { readonly outcome: 'reply'; readonly value: JsonValue }
  /** Nobody listens there, said at once. May be wrong for a moment after a subscribe elsewhere. */
  | { readonly outcome: 'nobody-home' }
  /** Somebody listens and did not answer in time. It may have acted. */
  | { readonly outcome: 'timeout' }

export interface BusMessage {
  readonly subject: string
  readonly value: JsonValue
}

export interface Subscription {
  /** After it resolves the handler is not called again. Idempotent. */
  stop(): Promise<void>
}

export interface Bus {
  /**
   * At most once, to whoever listens now, this connection included. Resolves when handed over. What one
   * connection publishes reaches each subscription in the order of the calls.
   *
   * @throws CB_E_NAME_INVALID, CB_E_PAYLOAD_TOO_LARGE
   */
  publish(subject: string, value: JsonValue): Promise<void>
  /**
   * Subjects are tokens joined by dots; in a pattern `*` stands for one token, a final `>` for one or more.
   * A handler's answer goes to a requester; `undefined` answers nothing, and so does a handler that throws or an
   * answer over the limit (both are logged, the subscription goes on). Handlers are called as messages come:
   * the next one does not wait for the last one's promise. Resolves once it is in force for requests and
   * messages from this connection; other connections may need a moment.
   *
   * @throws CB_E_NAME_INVALID
   */
  subscribe(
    pattern: string,
    handler: (message: BusMessage) => JsonValue | undefined | Promise<JsonValue | undefined>,
  ): Promise<Subscription>
  /**
   * Asks whoever listens on the subject; the first answer counts. Default time-out 1,000 ms.
   *
   * @throws CB_E_NAME_INVALID, CB_E_PAYLOAD_TOO_LARGE
   */
  request(
    subject: string,
    value: JsonValue,
    options?: { readonly timeoutMs?: number },
  ): Promise<RequestOutcome>
}

// ───────────────────────────────────────────────────────────────────────────── KeyValue

/** Grows with every write of a key; comparable within that key only. Serves as a fencing token. */
export type KvRevision = number

export interface KvEntry {
  readonly key: string
  readonly value: JsonValue
  readonly revision: KvRevision
  /** When it was written, by the broker's clock. */
  readonly at: number
}

export type KvChange =
  | { readonly kind: 'put'; readonly entry: KvEntry }
  /** Deleted, or expired. */
  | { readonly kind: 'gone'; readonly key: string }

export interface KvWatch {
  /** Resolves once everything that was in the bucket has been handled. */
  readonly caughtUp: Promise<void>
  stop(): Promise<void>
}

/**
 * A named set of keys. The bucket's time to live is fixed when it is first opened. Every call refuses a wrong key
 * with CB_E_NAME_INVALID, and a value over the limit with CB_E_PAYLOAD_TOO_LARGE.
 */
export interface Bucket {
  get(key: string): Promise<KvEntry | undefined>
  /**
   * Every live key under a prefix of whole tokens; '' for all. Under `a` are `a.b` and `a.b.c`, but neither `a`
   * itself nor `ab`.
   */
  list(prefix?: string): AsyncIterable<KvEntry>
  /** Writes a key that is not there. `undefined` when it is. */
  create(key: string, value: JsonValue): Promise<KvRevision | undefined>
  /** Writes on top of `revision`. `undefined` when the key has changed, expired or gone since. */
  update(key: string, value: JsonValue, revision: KvRevision): Promise<KvRevision | undefined>
  put(key: string, value: JsonValue): Promise<KvRevision>
  /** With `revision`: only if unchanged. `false` when it was not (or was not there). */
  delete(key: string, revision?: KvRevision): Promise<boolean>
  /**
   * The state now, then every change, in order per key. A value that was overwritten before it could be told may
   * be left out; the newest state of a key never is. Expiry shows at the latest `expiryLagMs` late.
   */
  watch(prefix: string, handler: (change: KvChange) => void): Promise<KvWatch>
}

/** What a bucket is opened with; without it, a bucket has the time to live it was made with, a new one 0. */
export interface BucketOptions {
  /** Keys live this long after their last write; 0 for ever. Milliseconds. */
  readonly ttlMs: number
}

export interface KeyValue {
  /**
   * Names are one token; keys are tokens joined by dots, 256 characters at most.
   *
   * @throws CB_E_NAME_INVALID; CB_E_STREAM_DRIFT when the bucket was made with another time to live
   */
  bucket(name: string, options?: BucketOptions): Promise<Bucket>
}

// ───────────────────────────────────────────────────────────────────────────── Objects

export interface ObjectInfo {
  readonly key: string
  readonly bytes: number
}

/**
 * Values too large for a record. Written once under a key of their own; readers never see half of one. Keys are
 * as in `KeyValue`. Put again under the same key, the last put to finish counts. A put whose data throws rejects
 * with what was thrown and changes nothing.
 */
export interface Objects {
  put(key: string, data: Uint8Array | AsyncIterable<Uint8Array>): Promise<ObjectInfo>
  get(key: string): Promise<(ObjectInfo & { readonly data: AsyncIterable<Uint8Array> }) | undefined>
  /** `false` when it was not there. */
  delete(key: string): Promise<boolean>
}

// ───────────────────────────────────────────────────────────────────────────── Broker

/** Sizes in bytes. A driver may have less room than these, never more (`capabilities.limits`). */
export const LIMITS = {
  record: 64 * 1024,
  batch: 512 * 1024,
  queueItem: 64 * 1024,
  busMessage: 512 * 1024,
  kvValue: 256 * 1024,
} as const

export type Limits = { readonly [K in keyof typeof LIMITS]: number }

/** What this broker can do, read back from it at start. `callboard doctor` explains it to people. */
export interface Capabilities {
  readonly driver: 'embedded' | 'memory' | 'nats'
  /** The server's version, or that of the store's format. */
  readonly version: string
  /** What an acknowledged append survives. */
  readonly durability: 'none' | 'process' | 'power'
  /** Copies the broker keeps. */
  readonly replicas: number
  /** Whether several machines can share it, several processes of one machine, or only this process. */
  readonly reach: 'cluster' | 'machine' | 'process'
  /**
   * Whether what one broker object is asked to write is in force in the order in which it was asked: whoever gets a
   * queue item then finds the entry that was appended before it, also while neither is acknowledged.
   */
  readonly ordered: boolean
  /** How late `Bucket.watch` may tell of an expiry. */
  readonly expiryLagMs: number
  readonly limits: Limits
  /** What a person who runs this should know: weak settings, missing features. Whole sentences. */
  readonly warnings: readonly string[]
}

export type BrokerStatus = 'starting' | 'connected' | 'disconnected' | 'stopped'

/** Before `start` has resolved and after `stop`, every call of every part rejects with CB_E_STOPPED. */
export interface Broker {
  /** The URL it was opened with, without secrets. */
  readonly url: string
  /** Throws CB_E_STOPPED before `start` has resolved. What it has told stays readable after `stop`. */
  readonly capabilities: Capabilities
  readonly log: Log
  readonly queue: Queue
  readonly bus: Bus
  readonly kv: KeyValue
  readonly objects: Objects
  /** `starting` until `start` has connected, also before it was called. */
  readonly status: BrokerStatus
  /** Calls back on every change of status; returns what ends that. */
  onStatus(handler: (status: BrokerStatus) => void): () => void
  /**
   * Connects, makes what is missing, compares what is there with what is needed.
   *
   * @throws CB_E_BROKER_UNREACHABLE, CB_E_BROKER_AUTH, CB_E_BROKER_TOO_OLD, CB_E_JETSTREAM_OFF,
   * CB_E_STORE_TOO_NEW, CB_E_STORE_FOREIGN, CB_E_STREAM_DRIFT; nothing is left half made.
   */
  start(): Promise<void>
  /**
   * Ends followings, watches, subscriptions and claims, waits for writes in flight, closes. What is still held of
   * a queue comes to another claimer within `claimTimeoutMs`. Idempotent; start and stop keep the contract of
   * `core/lifecycle.ts`.
   */
  stop(): Promise<void>
}

export interface BrokerOptions {
  /** How long an append may stay unsettled before its outcome is `unknown`. Default 30,000 ms. */
  readonly settleMs?: number
  /** How long a claim is held. Default 30,000 ms; `claimTimeoutMs` of a shared broker must agree. */
  readonly claimTimeoutMs?: number
  /** How long one call may take before it is `unavailable`. Default 5,000 ms. */
  readonly callTimeoutMs?: number
}
