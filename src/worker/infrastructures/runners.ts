/** The three runners of a worker: code in its own process and thread, in threads, in child processes. */

import type { Runner } from '../../actors/index.ts'
import type { Service } from '../../core/index.ts'
import { type Environment, startInline } from '../../sdk/index.ts'
import type { CodeOf, Infrastructure } from './carrier.ts'
import { loadFlowOf } from './code/index.ts'
import { Processes } from './processes.ts'
import { type RemoteOptions, startRemote } from './remote-code.ts'
import { threads } from './thread.ts'

export interface InfrastructureOptions extends RemoteOptions {
  readonly codeOf: CodeOf
}

export interface ProcessOptions extends InfrastructureOptions {
  /** Processes that are started before they are needed. Default 1. */
  readonly spares?: number
  /** Heap limit of code that names none, MiB. Default: what Node takes. */
  readonly memoryMb?: number
  /** Options for Node itself, over those that this process was started with. */
  readonly nodeFlags?: readonly string[]
}

/** Child processes have a life: start it before the first run, stop it after the last. */
export interface ProcessRunner extends Runner {
  readonly life: Service
}

/**
 * Runs code in this process. It is loaded once for as long as this process lives, cannot be ended by force, and whatever
 * ends the process (`process.exit`, memory running out) ends all of it.
 */
export function inlineRunner(options: { readonly env: Environment; readonly codeOf: CodeOf }): Runner {
  const { codeOf, env } = options
  return {
    kind: 'inline',
    serves: () => true,
    start: async (start, host) => startInline(await loadFlowOf(start, await codeOf(start)), env, start, host),
  }
}

/** Runs each run's code in a thread of this process. */
export function threadRunner(options: InfrastructureOptions): Runner {
  return runnerOn(threads(options.deps), options)
}

/** Runs each run's code in a child process. */
export function processRunner(options: ProcessOptions): ProcessRunner {
  const { deps, memoryMb, nodeFlags = [], spares = 1 } = options
  const processes = new Processes({ deps, memoryMb, nodeFlags, spares })
  return { ...runnerOn(processes, options), life: processes.life }
}

function runnerOn(infrastructure: Infrastructure, options: InfrastructureOptions): Runner {
  return {
    kind: infrastructure.kind,
    serves: () => true,
    start: async (start, host) =>
      startRemote(infrastructure, await options.codeOf(start), options, start, host),
  }
}
