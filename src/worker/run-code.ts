/**
 * Where the code of a run is, and what it runs on: as its deployment says, else as the worker and its pool say. The
 * deployment is read when the code starts, so that a new version counts from the next run on.
 */

import { openRun, type Runner, type RunStart } from '../actors/index.ts'
import type { Broker } from '../broker/index.ts'
import type { Catalog, Deployment, WorkPool } from '../catalog/index.ts'
import { CallboardError, type Deps, isRetryable, quote, sleep } from '../core/index.ts'
import type { CodePlan } from './infrastructures/index.ts'

export type InfrastructureKind = Runner['kind']

export interface RunCode {
  readonly kind: InfrastructureKind
  readonly plan: CodePlan
}

export interface CodeFinderOptions {
  readonly broker: Broker
  readonly catalog: Pick<Catalog, 'deployments'>
  readonly deps: Deps
  /** Beats what the pool says. */
  readonly infrastructure?: InfrastructureKind | undefined
  /** The pool as it is now. */
  pool(): WorkPool | undefined
}

/** A broker that does not answer is asked again after this. */
const RETRY_MS = 500

export class CodeFinder {
  readonly #options: CodeFinderOptions
  readonly #found = new WeakMap<RunStart, Promise<RunCode>>()
  readonly #stopping = new AbortController()

  constructor(options: CodeFinderOptions) {
    this.#options = options
  }

  /** Once for each start. @throws CB_E_CATALOG_MISSING, CB_E_FLOW_UNKNOWN */
  find(start: RunStart): Promise<RunCode> {
    const found = this.#found.get(start) ?? this.#find(start)
    this.#found.set(start, found)
    return found
  }

  /** What still looks for its code is told that it cannot. */
  stop(): void {
    this.#stopping.abort(new CallboardError('CB_E_STOPPED', 'The worker is stopping.'))
  }

  async #find(start: RunStart): Promise<RunCode> {
    const deployment = await this.#untilAnswered(() => this.#deploymentOf(start))
    const pool = this.#options.pool()
    const own = deployment.infrastructure
    const { path, entrypoint } = deployment
    const memoryMb = own?.memoryMb ?? pool?.infrastructure?.memoryMb
    return {
      kind: own?.type ?? this.#options.infrastructure ?? pool?.infrastructure?.type ?? 'process',
      plan: {
        path,
        entrypoint,
        env: { ...pool?.infrastructure?.env, ...own?.env },
        ...(memoryMb === undefined ? {} : { memoryMb }),
      },
    }
  }

  /** A run without a deployment of its own was called by one that has its code: that one's deployment, or its caller's. */
  async #deploymentOf({ run, flow, deployment, parent }: RunStart): Promise<Deployment> {
    const { broker, catalog, deps } = this.#options
    let id = deployment
    for (let caller = parent?.run; id === undefined && caller !== undefined; ) {
      const state = await openRun(broker, deps, caller)
      id = state?.created.deployment
      caller = state?.created.parent?.run
    }
    if (id !== undefined) return catalog.deployments.get(id)
    throw new CallboardError(
      'CB_E_FLOW_UNKNOWN',
      `Run ${run} of flow ${quote(flow)} names no deployment: a worker cannot know where its code is. Start it by its deployment.`,
    )
  }

  async #untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
    const { deps } = this.#options
    for (;;) {
      try {
        return await ask()
      } catch (error) {
        if (!isRetryable(error)) throw error
        deps.logger.debug({ error }, 'the code of a run cannot be looked up now; it is tried again')
        await sleep(deps.clock, RETRY_MS, this.#stopping.signal)
      }
    }
  }
}

/** One runner for all kinds: each run's code goes to the one that its deployment, its pool or its worker names. */
export function choosingRunner(
  finder: CodeFinder,
  runners: ReadonlyMap<InfrastructureKind, Runner>,
  usual: InfrastructureKind,
): Runner {
  return {
    kind: usual,
    serves: () => true,
    async start(start, host) {
      const { kind } = await finder.find(start)
      const runner = runners.get(kind)
      if (runner === undefined)
        throw new CallboardError(
          'CB_E_CATALOG_INVALID',
          `This worker cannot run code by '${kind}', only by ${[...runners.keys()].join(', ')}. Change the deployment, or send its runs to another pool.`,
        )
      return runner.start(start, host)
    },
  }
}
