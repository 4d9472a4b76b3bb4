/**
 * What users can import, name by name. A name that goes from here breaks somebody's program, and one that comes must
 * be kept: change a list only together with `CHANGELOG.md`.
 */

import { readFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** By entry point. Types are written as they are exported, `type Broker`. */
const PUBLIC: Readonly<Record<string, readonly string[]>> = {
  '.': [
    'abortSignal',
    'AllowFailure',
    'allowFailure',
    'type Answer',
    'approval',
    'type ApprovalDecision',
    'type ApprovalOptions',
    'type Artifact',
    'asCompleted',
    'type Backoff',
    'Block',
    'type BlockOptions',
    'type BlockType',
    'brokerCache',
    'brokerLocks',
    'type CacheContext',
    'type CacheKeyFunction',
    'type CachePolicy',
    'type CacheStorage',
    'CallboardError',
    'cancelFlowRun',
    'cancelled',
    'CancelledRun',
    'type Client',
    'combine',
    'completed',
    'compressed',
    'concurrency',
    'type ConcurrencyOptions',
    'concurrent',
    'configure',
    'connect',
    'crashed',
    'CrashedRun',
    'createArtifact',
    'type DeploymentInfo',
    'emitEvent',
    'type EventOptions',
    'exponentialBackoff',
    'failed',
    'FailedRun',
    'flow',
    'type Flow',
    'type FlowOptions',
    'flowParameters',
    'type FlowRunHandle',
    'type FlowRunInfo',
    'getRunLogger',
    'heartbeat',
    'type Hook',
    'type Input',
    'inputs',
    'isCallboardError',
    'type Isolation',
    'jsonSerializer',
    'type LoadedBlock',
    'localPath',
    'type LockManager',
    'type LogLine',
    'memoryCache',
    'memoryLocks',
    'MissingContextError',
    'noCache',
    'NonRetryableError',
    'now',
    'Opaque',
    'opaque',
    'pauseFlowRun',
    'type PauseFlowRunOptions',
    'progress',
    'quote',
    'Quoted',
    'random',
    'rateLimit',
    'referenceTasks',
    'type ResultOptions',
    'resumeFlowRun',
    'type RetryCondition',
    'type RetryDelayInput',
    'retryFlowRun',
    'type RunEvent',
    'runId',
    'type RunLogger',
    'runtime',
    'Secret',
    'sendSignal',
    'sequential',
    'type Serializer',
    'type SignalOptions',
    'skip',
    'skipped',
    'sleep',
    'type StandardSchema',
    'type StartArguments',
    'type StartOptions',
    'State',
    'type StateHook',
    'type Storage',
    'suspendFlowRun',
    'task',
    'type Task',
    'TaskFuture',
    'TaskFutureList',
    'type TaskOptions',
    'type TaskRunInfo',
    'type TaskRunner',
    'taskSource',
    'TaskStream',
    'Transaction',
    'transaction',
    'type TransactionHook',
    'type TransactionMode',
    'type TransactionOptions',
    'type Trigger',
    'Unmapped',
    'unmapped',
    'uuid',
    'Variable',
    'type VariableOptions',
    'wait',
    'waitForSignal',
    'type WaitForSignalOptions',
    'without',
  ],
  './broker': [
    'type AppendOptions',
    'type AppendOutcome',
    'type Broker',
    'type BrokerOptions',
    'type BrokerStatus',
    'type Bucket',
    'type BucketOptions',
    'type Bus',
    'type BusMessage',
    'type Capabilities',
    'type Claimed',
    'type Cursor',
    'type EnqueueOptions',
    'type Entry',
    'type FollowFilter',
    'type Following',
    'type KeyValue',
    'type KvChange',
    'type KvEntry',
    'type KvRevision',
    'type KvWatch',
    'type Limits',
    'LIMITS',
    'type Log',
    'type ObjectInfo',
    'type Objects',
    'openBroker',
    'type Priority',
    'type Queue',
    'type RequestOutcome',
    'type Rev',
    'type Subscription',
  ],
  './client': [
    'type ApiKey',
    'type Artifact',
    'type ClientOptions',
    'type Collection',
    'type ConcurrencyLimit',
    'createClient',
    'type Deployment',
    'type Flow',
    'type FlowRun',
    'type FlowRunQuery',
    'type FollowedRun',
    'type GapItem',
    'type GatewayClient',
    'GatewayError',
    'isOver',
    'type LiveEvent',
    'type LiveItem',
    'type LiveSocket',
    'type LogLine',
    'type Name',
    'type Page',
    'type Platform',
    'type Reader',
    'type Reply',
    'RunFold',
    'type RunFoldOptions',
    'type RunFilter',
    'type RunSnapshot',
    'type RunStore',
    'type RunStoreOptions',
    'type RunView',
    'type SignalAnswer',
    'type SignalBody',
    'type SnapshotItem',
    'type StartRun',
    'type StateType',
    'type StateView',
    'type SubscribeOptions',
    'type TaskRun',
    'type Variable',
    'type Worker',
    'type WorkPool',
    'type WorkQueue',
  ],
  './testing': [
    'conformance',
    'type ConformanceCase',
    'conformanceCases',
    'type ConformanceDriver',
    'everywhere',
    'type FaultKind',
    'type FaultPlan',
    'type FaultRecord',
    'type FaultRule',
    'faulty',
    'type FaultyBroker',
    'type Feature',
    'lackOf',
    'type LeakCheck',
    'leakCheck',
    'type LeakOptions',
    'type Operation',
    'type Part',
    'type Place',
    'POSSIBLE',
    'type Rates',
    'runCase',
    'type Runner',
    'type StressOptions',
    'stressService',
    'type TestHarness',
    'testHarness',
    'type TestHarnessOptions',
  ],
}

/** `./dist/broker/index.js` → `src/broker/index.ts` */
const sourceOf = (entry: { default: string }) =>
  entry.default.replace('./dist', 'src').replace(/\.js$/, '.ts')

/** The names in the export lists of a source. */
function listed(source: string): string[] {
  return [...source.matchAll(/^export( type)? \{([^}]*)\}/gm)].flatMap(([, allTypes, list = '']) =>
    list
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
      .map((item) => (allTypes ? `type ${item}` : item)),
  )
}

const byName = (a: string, b: string) => a.replace('type ', '').localeCompare(b.replace('type ', ''), 'en')

describe('the entry point', () => {
  const entries = Object.entries(manifest.exports)

  test.each(entries)('%s exports exactly what is promised', async (path, entry) => {
    const source = readFileSync(ROOT + sourceOf(entry), 'utf8')
    expect(listed(source).toSorted(byName)).toEqual(PUBLIC[path]?.toSorted(byName))
  })

  test.each(entries)('%s is a list of names and nothing else', async (_, entry) => {
    const path = ROOT + sourceOf(entry)
    const statements = readFileSync(path, 'utf8').match(/^(export|import)\b(?!( type)? \{)/gm)
    expect(statements).toBeNull()
    const values = listed(readFileSync(path, 'utf8')).filter((name) => !name.startsWith('type '))
    expect(Object.keys(await import(pathToFileURL(path).href)).toSorted(byName)).toEqual(
      values.toSorted(byName),
    )
  })

  test('is promised for every path of the package, and only for those', () => {
    expect(Object.keys(PUBLIC)).toEqual(Object.keys(manifest.exports))
  })
})
