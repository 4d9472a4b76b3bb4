/**
 * Something that this process does for others until it is stopped, by a call or by SIGINT or SIGTERM: takes runs from queues
 * of its own.
 *
 * Invariants
 * (V1) From the beginning until `stop` is through, the engine stays.
 */

import type { AnotherHost, Engine } from './engine.ts'

export interface Stoppable extends AsyncDisposable {
  /** Takes no more runs, and lets those that it has end or hands them over. Idempotent. */
  stop(): Promise<void>
  /** Resolves once it has stopped. */
  readonly stopped: Promise<void>
}

export interface ServingOptions extends AnotherHost {
  /** What is said of it in the log. */
  readonly line: string
  /** Once it is asked to stop, before it does. */
  stopping?(): Promise<void>
}

/** How long a stop waits for runs to end before it hands them over. */
const DRAIN_MS = 10_000
const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** Resolves once it takes runs. */
export async function startServing(
  engine: Engine,
  { line, settings, stopping: beforeStop, ...options }: ServingOptions,
): Promise<Stoppable> {
  const { logger } = engine.env.deps
  const over = Promise.withResolvers<void>()
  void engine.during(() => over.promise) // (V1)
  const host = engine.anotherHost({ ...options, settings: { drainMs: DRAIN_MS, ...settings } })
  let stopping: Promise<void> | undefined
  const stopNow = async () => {
    for (const signal of SIGNALS) process.off(signal, onSignal)
    try {
      await beforeStop?.()
    } finally {
      await host.stop().finally(() => over.resolve())
    }
  }
  const stop = () => {
    stopping ??= stopNow()
    return stopping
  }
  const onSignal = () =>
    void stop().catch((error) => logger.error({ error }, 'it did not stop in good order'))
  try {
    await host.start()
  } catch (error) {
    over.resolve()
    throw error
  }
  for (const signal of SIGNALS) process.once(signal, onSignal)
  logger.child({ name: 'callboard.serve' }).info({}, line)
  return { stop, stopped: over.promise, [Symbol.asyncDispose]: stop }
}
