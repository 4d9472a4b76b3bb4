/** What can be done with runs from outside of them: by a client of a broker, or in one call. */

import type { Answer } from '../actors/index.ts'
import { type DurationInput, loadSettings, systemDeps } from '../core/index.ts'
import { atBroker } from './at-broker.ts'
import type { FlowRunHandle, SignalOptions } from './handle.ts'
import { parts } from './parts.ts'
import type { RunDeploymentOptions } from './run-deployment.ts'
import type { State } from './state.ts'

/** What a run of a deployment is started with. */
export type ClientStart = Omit<RunDeploymentOptions, 'asSubflow' | 'timeout'>

export interface ConnectOptions {
  /** For a gateway: an API key. */
  readonly token?: string
}

/** Speaks with the runs of one broker, itself or through a gateway. */
export interface Client extends AsyncDisposable {
  /** A handle to a run; nothing is asked until it is used. */
  run<R = unknown>(id: string): FlowRunHandle<R>
  state(run: string): Promise<State>
  /** Starts a run of a deployment, `flow/name`. @throws CB_E_CATALOG_MISSING, CB_E_PARAMETERS_INVALID */
  start<R = unknown>(deployment: string, options?: ClientStart): Promise<FlowRunHandle<R>>
  signal(run: string, name: string, payload?: unknown, options?: SignalOptions): Promise<Answer>
  /** Ends the connection. */
  close(): Promise<void>
}

/**
 * Connects to the broker of runs: `nats://…`, `embedded:<folder>`; or to a gateway, `https://…`. Default: the broker that
 * the settings name.
 *
 * ```ts
 * await using client = await connect()
 * await client.run(id).resume({ approved: true })
 * ```
 */
export async function connect(url?: string, { token }: ConnectOptions = {}): Promise<Client> {
  const deps = systemDeps()
  if (url !== undefined && /^https?:/i.test(url))
    return (await import('./gateway-runs.ts')).gatewayRuns(url, token, deps.clock)
  const [{ openBroker }, { RunClient }] = await Promise.all([
    import('../broker/index.ts'),
    import('./run-client.ts'),
  ])
  const { settings } = await loadSettings()
  const broker = await openBroker(url ?? settings.brokerUrl, deps)
  await broker.start()
  const runs = new RunClient({ broker, deps })
  return {
    run: (id) => runs.handle(id),
    state: (run) => runs.state(run),
    async start<R>(deployment: string, options: ClientStart = {}) {
      const { createRunOf } = await import('./run-deployment.ts')
      return runs.handle<R>(await createRunOf({ broker, deps, settings }, deployment, options))
    },
    signal: (run, name, payload, options) => runs.signal(run, name, options, payload),
    close: () => broker.stop(),
    [Symbol.asyncDispose]: () => broker.stop(),
  }
}

/** Lets a paused or suspended run go on, with the input that it asks for. @throws CB_E_SIGNAL_REJECTED */
export function resumeFlowRun(
  id: string,
  options: SignalOptions & { readonly input?: unknown } = {},
): Promise<Answer> {
  return tellRun(id, 'resume', options, options.input)
}

/** Cancels a run: its code is told at once, and made to stop after the grace time. @throws CB_E_SIGNAL_REJECTED */
export function cancelFlowRun(
  id: string,
  options: SignalOptions & { readonly graceSeconds?: DurationInput } = {},
): Promise<Answer> {
  return tellRun(id, 'cancel', options)
}

/** Runs an ended run again; tasks that completed keep their results. @throws CB_E_SIGNAL_REJECTED */
export function retryFlowRun(id: string, options: SignalOptions = {}): Promise<Answer> {
  return tellRun(id, 'retry', options)
}

/**
 * Starts a run of a deployment, `flow/name`, and waits for its end; gives a handle. Inside a flow it is a child run.
 *
 * ```ts
 * const run = await runDeployment('weather/prod', { parameters: { lat: 52.5 }, timeout: '10m' })
 * ```
 *
 * @throws CB_E_CATALOG_MISSING, CB_E_PARAMETERS_INVALID with every issue and its path; what its code throws is thrown by
 * `result()`
 */
export async function runDeployment<R = unknown>(
  deployment: string,
  options: RunDeploymentOptions = {},
): Promise<FlowRunHandle<R>> {
  return (await import('./run-deployment.ts')).startDeployment<R>(deployment, options)
}

/** Sends one signal: from inside of a run by its own broker, else by this process's engine. */
export async function tellRun(
  id: string,
  name: string,
  options: SignalOptions = {},
  payload?: unknown,
): Promise<Answer> {
  return atBroker((env) => new (parts().RunClient)(env).signal(id, name, options, payload))
}
