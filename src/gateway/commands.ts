/**
 * What clients ask to be done to runs, whichever way they ask it: started, told, resumed, deleted. Who asks has been let in;
 * whether this run is theirs is asked here.
 */

import {
  type Answer,
  type CreatedRun,
  createRun,
  isTerminalTag,
  openRun,
  parseTag,
  refOf,
  resumeTask,
  type Sender,
  type Signal,
  type StateTag,
  sendSignal,
} from '../actors/index.ts'
import type { SignalAnswer, SignalBody, StartRun, StateName } from '../api/index.ts'
import type { Broker, Rev } from '../broker/index.ts'
import { type Catalog, deploymentRun, type RunDefaults, type Which } from '../catalog/index.ts'
import {
  CallboardError,
  type Deps,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  mintId,
} from '../core/index.ts'
import { archiveRun } from '../scheduler/index.ts'
import { demand, demandRun, isUnbound, mayTouch, type Principal, senderOf } from './access/index.ts'
import type { OwnWrites } from './own-writes.ts'
import type { ReadModel } from './read-model/index.ts'
import { partsOfTaskRunId } from './read-model/index.ts'

/** Who asks, and by which way. */
export interface Asker {
  readonly principal: Principal
  /** `api`, `socket`. */
  readonly channel: string
  readonly address: string
}

export interface CommandOptions {
  readonly broker: Broker
  readonly deps: Deps
  readonly catalog: Pick<Catalog, 'deployments'>
  readonly settings: RunDefaults
  readonly model: ReadModel
  readonly writes: OwnWrites
}

export class Commands {
  readonly #options: CommandOptions

  constructor(options: CommandOptions) {
    this.#options = options
  }

  /**
   * @throws CB_E_FORBIDDEN, CB_E_REQUEST_INVALID, CB_E_CATALOG_MISSING, CB_E_FLOW_UNKNOWN, CB_E_DEPLOYMENT_AMBIGUOUS,
   * CB_E_PARAMETERS_INVALID, and what the broker throws; nothing is made then
   */
  async start(body: StartRun, asker: Asker): Promise<CreatedRun> {
    const { broker, catalog, deps, settings, writes } = this.#options
    demand(asker.principal, 'run')
    const { idempotencyKey, name, parameters, scheduledTime, tags } = body
    const run = await deploymentRun(
      { catalog, deps, settings },
      {
        ...whichOf(body),
        ...{ name, tags, idempotencyKey, by: by(asker) },
        parameters: parameters === undefined ? undefined : jsonObject(parameters),
        scheduledTime: scheduledTime === undefined ? undefined : Date.parse(scheduledTime),
      },
    )
    const mark = { id: '', flow: run.flow, tags: run.tags ?? [], queue: run.policy.target.queue }
    if (!mayTouch(asker.principal, mark))
      throw new CallboardError(
        'CB_E_FORBIDDEN',
        `This key is bound to other runs than those of '${run.deployment ?? run.flow}'. Use one that is not, or that is bound to these.`,
      )
    const created = await createRun(broker, deps, run)
    writes.wrote(created.run, 1)
    return created
  }

  /**
   * The answer of the run, which is in its log by then.
   *
   * @throws CB_E_FORBIDDEN, CB_E_RUN_MISSING, CB_E_BUSY, CB_E_CONTENDED, and what the broker throws
   */
  async signal(run: string, name: string, body: SignalBody, asker: Asker): Promise<SignalAnswer> {
    const { broker, deps } = this.#options
    await this.#demand(run, 'signal', asker)
    const { graceMs, key = mintId(deps), message, payload, timeoutMs } = body
    const signal: Signal = {
      ...{ name, key, by: by(asker) },
      ...(payload === undefined ? {} : { payload: refOf(payload, 'the payload') }),
      ...(graceMs === undefined ? {} : { graceMs }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(message === undefined ? {} : { message }),
    }
    return this.#answer(run, await sendSignal(broker, deps, run, signal))
  }

  /** Lets a task run go on that waits for it. @throws as `signal`, and CB_E_RUN_MISSING */
  async resumeTask(id: string, asker: Asker): Promise<SignalAnswer> {
    const { broker, deps, model } = this.#options
    const parts = partsOfTaskRunId(id)
    if (parts === undefined || model.tasks.get(id) === undefined) throw missing(id)
    await this.#demand(parts.run, 'signal', asker)
    return this.#answer(parts.run, await resumeTask(broker, deps, parts.run, parts.key, by(asker)))
  }

  /** Only one that has ended. @throws CB_E_RUN_MISSING, CB_E_RUN_NOT_ENDED, CB_E_CONTENDED */
  async delete(run: string, asker: Asker): Promise<Rev> {
    const { broker, deps, writes } = this.#options
    await this.#demand(run, 'admin', asker)
    const state = await openRun(broker, deps, run)
    if (state === undefined) throw missing(run)
    if (!isTerminalTag(state.state.tag))
      throw new CallboardError(
        'CB_E_RUN_NOT_ENDED',
        `Run ${run} is ${parseTag(state.state.tag).name} and cannot be deleted. Cancel it first, or wait for its end.`,
      )
    const rev = await archiveRun({ broker, deps }, state, { at: deps.clock.now(), by: by(asker) })
    if (rev === undefined)
      throw new CallboardError(
        'CB_E_CONTENDED',
        `Run ${run} went on while it was to be deleted. Look at it again.`,
      )
    writes.wrote(run, rev)
    return rev
  }

  /** Tells nobody of runs that are not theirs. */
  async #demand(run: string, scope: 'admin' | 'signal', { principal }: Asker): Promise<void> {
    const { model, writes } = this.#options
    demand(principal, scope)
    if (isUnbound(principal)) return
    await writes.settled()
    demandRun(principal, run, model.runs.identity(run))
  }

  #answer(run: string, answer: Answer): SignalAnswer {
    switch (answer.outcome) {
      case 'missing':
        throw missing(run)
      case 'applied':
      case 'accepted':
        this.#options.writes.wrote(run, answer.rev)
        return { outcome: answer.outcome, state: stateIn(answer.tag), rev: answer.rev }
      case 'wait':
        return {
          outcome: 'wait',
          state: stateIn(answer.tag),
          retryAfterMs: Math.max(0, Math.ceil(answer.retryAfterMs)),
        }
      case 'ignored':
        return { outcome: 'rejected', state: stateIn(answer.tag), reason: 'The run does not take that now.' }
      case 'rejected': {
        const { issues, legalSignals, reason, tag } = answer
        return {
          outcome: 'rejected',
          state: stateIn(tag),
          reason,
          legalSignals: [...legalSignals],
          ...(issues === undefined ? {} : { errors: [...issues] }),
        }
      }
    }
  }
}

function by({ address, channel, principal }: Asker): Sender {
  return senderOf(principal, channel, address)
}

function whichOf({ deployment, flow }: StartRun): Which {
  if (deployment !== undefined && flow === undefined) return { deployment }
  if (flow !== undefined && deployment === undefined) return { flow }
  const message = 'give either `flow` or `deployment`'
  throw new CallboardError('CB_E_REQUEST_INVALID', `Say what to run: ${message}.`, {
    details: { issues: [{ path: flow === undefined ? 'flow' : 'deployment', message }] },
  })
}

function stateIn(tag: StateTag): StateName {
  return parseTag(tag)
}

/** What came as JSON is JSON. */
function jsonObject(given: Readonly<Record<string, unknown>>): JsonObject {
  const value = given as JsonValue
  return isJsonObject(value) ? value : {}
}

function missing(id: string): CallboardError {
  const isId = id.includes('.') ? 'task run' : 'run'
  return new CallboardError('CB_E_RUN_MISSING', `There is no ${isId} ${id}, or it is archived. Check the id.`)
}
