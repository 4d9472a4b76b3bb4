/**
 * A worker as `callboard worker start` runs it, for tests: its options come as one JSON argument. It logs JSON lines, and
 * freezes when it is told so, between two turns of its event loop: stopped from outside it might hold the lock of an
 * embedded store.
 */

import { enableCompileCache } from 'node:module'
import type { PoolWorkerOptions } from './pool-workers.ts'

enableCompileCache() // before anything else is loaded

const { optionsSource, resolveSettings } = await import('../../src/core/index.ts')
const { runWorkerProcess } = await import('../../src/worker/index.ts')

const { brokerUrl, leaseMs, ...options }: PoolWorkerOptions = JSON.parse(process.argv[2] ?? '{}')
const { settings } = resolveSettings(
  [optionsSource('options', { brokerUrl, workerLease: leaseMs / 1_000, loggingFormat: 'json' })],
  { home: '/nowhere' },
)
process.on('message', () => process.kill(process.pid, 'SIGSTOP'))
process.once('disconnect', () => process.exit(1)) // whoever started it has died
process.channel?.unref()
process.exitCode = await runWorkerProcess({ ...options, settings, scheduler: { leaseMs } })
