/**
 * The definition of the broker port, as cases that any driver can be held to. It knows no test framework: it needs
 * `describe` and `it`, and asserts with `node:assert/strict`. A new driver is done when it passes.
 *
 * ```ts
 * import { describe, it } from 'vitest' // or 'node:test', or anything like them
 * conformance(myDriver, { describe, it })
 * ```
 *
 * Invariants
 * (C1) Every case gets a place of its own and leaves nothing open, also when it fails.
 * (C2) A case ends within the driver's patience and then says what it was waiting for.
 * (C3) What a driver cannot be asked is skipped aloud, with the driver's reason.
 */

import type { Broker, BrokerOptions } from '../../broker/index.ts'
import { openStage, type Stage } from './stage.ts'

/** What not every place can do to a broker. */
export type Feature = 'cut' | 'processes' | 'restart'

/** One broker with nothing in it, made for one case. All its connections share one log, one bus and so on. */
export interface Place {
  /** A new connection to this place, not started. */
  open(options?: BrokerOptions): Broker
  /** Comes after every connection has been stopped. */
  close(): Promise<void>
  /** The broker itself goes down and comes back with its data, while connections stay open. */
  restart?(): Promise<void>
  /** All open connections lose the broker, as by a cut cable. */
  cut?(): Promise<void>
  /** What was cut can reach the broker again. */
  heal?(): Promise<void>
  /** The URL under which another process finds this place with `openBroker`. */
  readonly url?: string
}

export interface ConformanceDriver {
  readonly name: string
  place(): Promise<Place>
  /** The features that its places do not have, each with the reason that is printed. */
  readonly lacks: Readonly<Partial<Record<Feature, string>>>
  /** How long one case may take, milliseconds. Default 15,000. */
  readonly patienceMs?: number
}

/** The two functions every test framework has. */
export interface Runner {
  describe(name: string, body: () => void): unknown
  readonly it: {
    (name: string, body: () => Promise<void>): unknown
    skip(name: string, body: () => Promise<void>): unknown
  }
}

export type Part = 'broker' | 'bus' | 'kv' | 'log' | 'objects' | 'queue'

export interface ConformanceCase {
  readonly part: Part
  /** A sentence saying the behaviour. Unique within its part. */
  readonly name: string
  readonly needs: readonly Feature[]
  run(stage: Stage): Promise<void>
}

/** Writes down the cases of one part: sentence by sentence. */
export function cases(
  part: Part,
  bodies: Readonly<Record<string, (stage: Stage) => Promise<void>>>,
  needs: readonly Feature[] = [],
): readonly ConformanceCase[] {
  return Object.entries(bodies).map(([name, run]) => ({ part, name, needs, run }))
}

const DEFAULT_PATIENCE_MS = 15_000

/** Runs one case in a place of its own; rejects when the driver fails it. */
export async function runCase(driver: ConformanceDriver, one: ConformanceCase): Promise<void> {
  const stage = await openStage(() => driver.place(), driver.patienceMs ?? DEFAULT_PATIENCE_MS)
  try {
    await stage.limit(one.run(stage))
  } finally {
    await stage.close()
  }
}

/** Why the driver cannot be asked this case, or undefined when it can. */
export function lackOf(driver: ConformanceDriver, one: ConformanceCase): string | undefined {
  const missing = one.needs.filter((feature) => driver.lacks[feature] !== undefined)
  return missing.length === 0
    ? undefined
    : missing.map((feature) => `${feature}: ${driver.lacks[feature]}`).join('; ')
}

/** Registers these cases with a test framework. */
export function register(driver: ConformanceDriver, runner: Runner, all: readonly ConformanceCase[]): void {
  const parts = [...new Set(all.map((one) => one.part))]
  for (const part of parts) {
    runner.describe(`${driver.name}: ${part}`, () => {
      for (const one of all.filter((candidate) => candidate.part === part)) {
        const lack = lackOf(driver, one)
        if (lack === undefined) {
          runner.it(one.name, () => runCase(driver, one))
        } else {
          console.warn(`${driver.name}: ${part}: skipped "${one.name}": ${lack}`) // (C3)
          runner.it.skip(`${one.name} [skipped: ${lack}]`, () => runCase(driver, one))
        }
      }
    })
  }
}
