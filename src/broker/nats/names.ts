/**
 * What things are called at the server. Everything carries the prefix, so that several Callboards can share one account.
 *
 * | what | name with the prefix `cb` |
 * |---|---|
 * | the run log | stream `CB_LOG`, subject `cb.1.log.<partition 00 to 63>.<subject>` |
 * | the queues | stream `CB_WORK`, subject `cb.1.q.<queue>.<priority>`, consumer `<queue>_<priority>` |
 * | the bus | core subject `cb.1.bus.<subject>` |
 * | a bucket | stream `KV_cb_<bucket>`, subject `$KV.cb_<bucket>.<key>`: what every NATS tool calls bucket `cb_<bucket>` |
 * | the objects | stream `OBJ_cb_objects`, in the layout of every NATS tool |
 *
 * The `1` is the version of the layout. User text never stands in a subject: names are tokens (`checks.ts`).
 */

import { PARTITIONS, partitionOf } from '../../core/index.ts'

export interface Names {
  readonly prefix: string
  readonly logStream: string
  readonly workStream: string
  readonly objectsStream: string
  /** The bucket's name as NATS tools know it. */
  readonly objectsBucket: string
  /** The subject of the log whose partition and id are known from the id alone. */
  logSubject(subject: string): string
  /** Everything of one partition, or of all. */
  logFilter(partition: number | 'all'): string
  workSubject(queue: string, priority: number): string
  workFilter(queue: string | 'all'): string
  workConsumer(queue: string, priority: number): string
  busSubject(subject: string): string
  /** The bucket's name as NATS tools know it. */
  kvBucket(bucket: string): string
}

/** Subjects of the log end with the id: `<prefix>.1.log.<pp>.<id>`. */
const LOG_TOKENS_BEFORE_ID = 4

const PARTITION_TOKENS = Array.from({ length: PARTITIONS }, (_, partition) =>
  String(partition).padStart(2, '0'),
)

export function namesFor(prefix: string): Names {
  const upper = prefix.toUpperCase()
  const root = `${prefix}.1`
  const logRoots = PARTITION_TOKENS.map((token) => `${root}.log.${token}.`)
  return {
    prefix,
    logStream: `${upper}_LOG`,
    workStream: `${upper}_WORK`,
    objectsStream: `OBJ_${prefix}_objects`,
    objectsBucket: `${prefix}_objects`,
    logSubject: (subject) => logRoots[partitionOf(subject)] + subject,
    logFilter: (partition) => (partition === 'all' ? `${root}.log.*.*` : `${logRoots[partition]}*`),
    workSubject: (queue, priority) => `${root}.q.${queue}.${priority}`,
    workFilter: (queue) => `${root}.q.${queue === 'all' ? '*' : queue}.*`,
    workConsumer: (queue, priority) => `${queue}_${priority}`,
    busSubject: (subject) => `${root}.bus.${subject}`,
    kvBucket: (bucket) => `${prefix}_${bucket}`,
  }
}

/** The id at the end of a subject of the log. */
export function idOfLogSubject(natsSubject: string): string {
  let at = -1
  for (let dots = 0; dots < LOG_TOKENS_BEFORE_ID; dots++) at = natsSubject.indexOf('.', at + 1)
  return natsSubject.slice(at + 1)
}
