/** The ways to run code that a worker has, made for it. */

import type { Runner, RunStart } from '../actors/index.ts'
import { brokerQueue, DEFAULT_QUEUE } from '../catalog/index.ts'
import type { Service, Settings } from '../core/index.ts'
import type { RunSettings } from '../sdk/index.ts'
import { inlineRunner, processRunner, threadRunner } from './infrastructures/index.ts'
import type { WorkerOptions } from './options.ts'
import type { CodeFinder } from './run-code.ts'

export interface Runners {
  readonly runners: readonly Runner[]
  /** Started before the first run, stopped after the last. */
  readonly processes?: Service
}

export function runnersOf(
  { broker, deps, infrastructure, runners, settings, spares = 1 }: WorkerOptions,
  pool: string,
  finder: CodeFinder,
  isStopping: () => boolean,
): Runners {
  if (runners !== undefined) return { runners }
  const runSettings = runSettingsOf(settings, pool)
  const codeOf = async (start: RunStart) => (await finder.find(start)).plan
  const isShared = broker.capabilities.reach !== 'process'
  const options = {
    ...{ deps, settings: runSettings, codeOf, isStopping },
    ...(isShared ? { brokerUrl: settings.brokerUrl } : {}),
  }
  const isUsual = infrastructure === undefined || infrastructure === 'process'
  const processes = processRunner({ ...options, spares: isUsual ? spares : 0 })
  const inline = inlineRunner({ env: { broker, deps, settings: runSettings }, codeOf })
  return { runners: [inline, threadRunner(options), processes], processes: processes.life }
}

function runSettingsOf(settings: Settings, pool: string): RunSettings {
  return {
    logPrints: settings.loggingLogPrints,
    keepLevel: settings.loggingLevel,
    graceMs: settings.gracePeriod,
    lateAfterMs: settings.lateAfter,
    maxRecoveries: settings.maxRecoveries,
    taskRetries: 0,
    queue: brokerQueue({ pool, name: DEFAULT_QUEUE }),
    uiUrl: undefined,
  }
}
