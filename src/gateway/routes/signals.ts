/** Signals to flow runs: one by one, by name, and to all that a filter finds. */

import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import {
  BuiltInSignal,
  BulkAnswer,
  BulkBody,
  Problem,
  RunId,
  SignalAnswer,
  SignalBody,
  SignalName,
  TaskRunId,
} from '../../api/index.ts'
import { CallboardError, messageOf, mintId } from '../../core/index.ts'
import { demandStates, hintOf } from '../asked-states.ts'
import type { Asker } from '../commands.ts'
import { PROBLEM_TYPE, problemOf, type Server } from '../http/index.ts'
import { markText } from '../own-writes.ts'
import { about, answers, askerOf, type Context, visible } from './context.ts'

const TAG = 'flow-runs'
const SIGNALS = ['pause', 'suspend', 'resume', 'cancel', 'retry'] as const
const ById = Type.Object({ id: RunId })
const ByName = Type.Object({ id: RunId, name: SignalName })
const ByTask = Type.Object({ id: TaskRunId })
const BySignal = Type.Object({ signal: BuiltInSignal })
const ANSWERS = { 200: SignalAnswer, 202: SignalAnswer, 409: SignalAnswer, 422: Problem, 423: SignalAnswer }
const STATUS = { applied: 200, accepted: 202, rejected: 409, wait: 423 } as const

/** Runs of one bulk call, told of at once, and told of by name when they refuse. */
const MOST_RUNS = 1_000
const AT_ONCE = 16
const MOST_REJECTIONS = 100

export function addSignals(server: Server, context: Context): void {
  const { commands } = context

  for (const name of SIGNALS)
    server.post(
      `/api/v1/flow-runs/:id/${name}`,
      {
        schema: {
          ...about(TAG, `Send ${name}`, OUTCOMES),
          params: ById,
          body: SignalBody,
          response: ANSWERS,
        },
        config: { scope: 'signal' },
      },
      async (request, reply) => {
        const { id } = request.params
        return answer(reply, id, name, await commands.signal(id, name, request.body, askerOf(request)))
      },
    )

  server.post(
    '/api/v1/flow-runs/:id/signals/:name',
    {
      schema: {
        ...about(TAG, 'Send a signal that its code waits for, now or later', OUTCOMES),
        params: ByName,
        body: SignalBody,
        response: ANSWERS,
      },
      config: { scope: 'signal' },
    },
    async (request, reply) => {
      const { id, name } = request.params
      return answer(reply, id, name, await commands.signal(id, name, request.body, askerOf(request)))
    },
  )

  server.post(
    '/api/v1/task-runs/:id/resume',
    {
      schema: {
        ...about('task-runs', 'Let a task run go on that waits for it', OUTCOMES),
        params: ByTask,
        response: ANSWERS,
      },
      config: { scope: 'signal' },
    },
    async (request, reply) => {
      const { id } = request.params
      const run = id.slice(0, id.indexOf('.'))
      return answer(reply, run, 'resume', await commands.resumeTask(id, askerOf(request)))
    },
  )

  server.post(
    '/api/v1/flow-runs/bulk/:signal',
    {
      schema: {
        ...about(
          TAG,
          'Send a signal to every run that the filter finds',
          `Up to ${MOST_RUNS} in one call, oldest first; when there are more, call again with \`next\` as \`after\`.`,
        ),
        params: BySignal,
        body: BulkBody,
        response: answers(BulkAnswer),
      },
      config: { scope: 'signal' },
    },
    async (request) => bulk(context, request.params.signal, request.body, askerOf(request)),
  )
}

const OUTCOMES =
  '200 applied, 202 accepted (the run will follow), 409 rejected with the signals it takes now, 423 to be tried again after `Retry-After`, 422 with what is wrong in the payload. The same key twice gets the first answer again.'

function answer(reply: FastifyReply, run: string, signal: string, said: SignalAnswer): FastifyReply {
  const { errors = [], legalSignals, outcome, reason, retryAfterMs, rev, state } = said
  if (rev !== undefined) reply.header('callboard-after', markText({ run, rev }))
  if (retryAfterMs !== undefined) reply.header('retry-after', Math.max(1, Math.ceil(retryAfterMs / 1_000)))
  if (errors.length === 0) return reply.code(STATUS[outcome]).send(said)
  const lines = errors.map(({ message, path }) => `\n  ${path}: ${message}`).join('')
  const refused = new CallboardError(
    'CB_E_SIGNAL_REJECTED',
    `Run ${run} is ${state.name} and does not take '${signal}': ${reason ?? 'the payload is wrong'}${lines}`,
    { details: { issues: errors, legalSignals } },
  )
  return reply.code(422).type(PROBLEM_TYPE).send(problemOf(refused, 422))
}

async function bulk(
  { commands, deps, model, writes }: Context,
  signal: string,
  { after, dryRun = false, filter: asked, signal: body = {} }: BulkBody,
  asker: Asker,
): Promise<BulkAnswer> {
  await writes.settled()
  demandStates(model, asked.state)
  const filter = visible(asker.principal, asked)
  const found = filter === undefined ? [] : model.runs.ids(filter, MOST_RUNS + 1, after)
  const told: BulkAnswer = {
    matched: filter === undefined ? 0 : model.runs.count(filter),
    ...{ applied: 0, accepted: 0, rejected: 0, rejections: [], dryRun, more: found.length > MOST_RUNS },
    ...hintOf(model, asked.state),
  }
  if (dryRun) return told
  const runs = found.slice(0, MOST_RUNS)
  const last = runs.at(-1)
  if (told.more && last !== undefined) told.next = last
  const key = body.key ?? mintId(deps)
  const refused = (run: string, reason: string) => {
    told.rejected++
    if (told.rejections.length < MOST_REJECTIONS) told.rejections.push({ run, reason })
  }
  const tell = async (run: string) => {
    try {
      const { outcome, reason } = await commands.signal(run, signal, { ...body, key: `${key}:${run}` }, asker)
      if (outcome === 'applied' || outcome === 'accepted') told[outcome]++
      else refused(run, reason ?? 'It is to be tried again later.')
    } catch (error) {
      refused(run, messageOf(error))
    }
  }
  const queue = runs.values()
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const run of queue) await tell(run)
    }),
  )
  return told
}
