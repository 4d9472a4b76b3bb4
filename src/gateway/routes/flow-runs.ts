/** Flow runs: found, looked at, started, deleted. */

import { Type } from 'typebox'
import { loadValue, openRun } from '../../actors/index.ts'
import {
  FlowRun,
  FlowRunQuery,
  Graph,
  HistoryBucket,
  LogLine,
  Paging,
  PastState,
  RunFilter,
  RunId,
  RunLogQuery,
  StartRun,
  StateCounts,
  strict,
  TaskRun,
  TaskRunQuery,
  Time,
} from '../../api/index.ts'
import { CallboardError } from '../../core/index.ts'
import { demandStates, hintOf } from '../asked-states.ts'
import { invalid, type Server } from '../http/index.ts'
import { markText } from '../own-writes.ts'
import {
  about,
  answers,
  answersPage,
  askerOf,
  type Context,
  demandSight,
  missing,
  Nothing,
  principalOf,
  visible,
} from './context.ts'
import { graphOf } from './graph.ts'
import { answerStarted, shownRun } from './shown-run.ts'

const TAG = 'flow-runs'
const ById = Type.Object({ id: RunId })
const States = Type.Object(Paging, strict)
const History = Type.Object(
  {
    ...RunFilter.properties,
    since: Time,
    until: Type.Optional(Time),
    /** How long one span is. Default: what makes 50 of them. */
    stepMs: Type.Optional(Type.Integer({ minimum: 1_000 })),
  },
  strict,
)
const Value = Type.Object({ value: Type.Unknown({ description: 'Tagged JSON.' }) }, strict)
const { run: _, ...taskRunQuery } = TaskRunQuery.properties
const TaskRunsOfRun = Type.Object(taskRunQuery, strict)

const SPANS = 50
const MOST_SPANS = 1_000

export function addFlowRuns(server: Server, context: Context): void {
  const { commands, deps, model } = context

  server.get(
    '/api/v1/flow-runs',
    {
      schema: {
        ...about(TAG, 'Flow runs, newest first'),
        querystring: FlowRunQuery,
        response: answersPage(FlowRun),
      },
    },
    async (request) => {
      const { cursor, limit, sort, ...asked } = request.query
      demandStates(model, asked.state)
      const filter = visible(principalOf(request), asked)
      if (filter === undefined) return { items: [] }
      const page = model.runs.list({
        ...filter,
        ...(cursor === undefined ? {} : { cursor }),
        ...(limit === undefined ? {} : { limit }),
        ...(sort === undefined ? {} : { sort }),
      })
      return { ...page, ...hintOf(model, asked.state) }
    },
  )

  server.post(
    '/api/v1/flow-runs',
    {
      schema: {
        ...about(TAG, 'Start a run', '201, or 200 with the run that has the idempotency key already.'),
        body: StartRun,
        response: { 201: FlowRun, 200: FlowRun },
      },
      config: { scope: 'run' },
    },
    async (request, reply) => {
      return answerStarted(context, await commands.start(request.body, askerOf(request)), reply)
    },
  )

  server.get(
    '/api/v1/flow-runs/counts',
    {
      schema: {
        ...about(TAG, 'How many there are, by type of state'),
        querystring: RunFilter,
        response: answers(StateCounts),
      },
    },
    async (request) => {
      demandStates(model, request.query.state)
      const filter = visible(principalOf(request), request.query)
      return filter === undefined ? {} : model.runs.counts(filter)
    },
  )

  server.get(
    '/api/v1/flow-runs/history',
    {
      schema: {
        ...about(TAG, 'How many were to start, by time and state', 'Spans in which none was are left out.'),
        querystring: History,
        response: answersPage(HistoryBucket),
      },
    },
    async (request) => {
      const { since, stepMs, until, ...asked } = request.query
      const from = Date.parse(since)
      const to = until === undefined ? deps.clock.now() : Date.parse(until)
      const step = stepMs ?? Math.max(1_000, Math.ceil((to - from) / SPANS))
      if (to <= from) throw invalid('`until` is not after `since`', 'until')
      if ((to - from) / step > MOST_SPANS)
        throw invalid(`these would be more than ${MOST_SPANS} spans; make them longer`, 'stepMs')
      const filter = visible(principalOf(request), asked)
      return { items: filter === undefined ? [] : model.runs.history(filter, from, to, step) }
    },
  )

  server.get(
    '/api/v1/flow-runs/:id',
    { schema: { ...about(TAG, 'A run'), params: ById, response: answers(FlowRun) } },
    async (request) => {
      const { id } = request.params
      demandSight(context, request, id)
      return shownRun(context, id)
    },
  )

  server.delete(
    '/api/v1/flow-runs/:id',
    {
      schema: { ...about(TAG, 'Delete a run that has ended'), params: ById, response: { 204: Nothing } },
      config: { scope: 'admin' },
    },
    async (request, reply) => {
      const { id } = request.params
      const rev = await commands.delete(id, askerOf(request))
      return reply
        .header('callboard-after', markText({ run: id, rev }))
        .code(204)
        .send(null)
    },
  )

  server.get(
    '/api/v1/flow-runs/:id/states',
    {
      schema: {
        ...about(TAG, 'The states it was in, oldest first'),
        params: ById,
        querystring: States,
        response: answersPage(PastState),
      },
    },
    async (request) => {
      const { cursor, limit } = request.query
      return model.events.statesOfRun(known(request), { cursor, limit })
    },
  )

  server.get(
    '/api/v1/flow-runs/:id/task-runs',
    {
      schema: {
        ...about(TAG, 'Its task runs, in the order they were called'),
        params: ById,
        querystring: TaskRunsOfRun,
        response: answersPage(TaskRun),
      },
    },
    async (request) => {
      demandStates(model, request.query.state)
      const page = model.tasks.list({ ...request.query, run: known(request) })
      return { ...page, ...hintOf(model, request.query.state) }
    },
  )

  server.get(
    '/api/v1/flow-runs/:id/logs',
    {
      schema: {
        ...about(TAG, 'Its log lines, oldest first'),
        params: ById,
        querystring: RunLogQuery,
        response: answersPage(LogLine),
      },
    },
    async (request) => model.lines.ofRun(known(request), request.query),
  )

  server.get(
    '/api/v1/flow-runs/:id/graph',
    {
      schema: {
        ...about(TAG, 'Its task runs and child runs, and what waited for what'),
        params: ById,
        response: answers(Graph),
      },
    },
    async (request) => graphOf(model, known(request)),
  )

  for (const part of ['result', 'parameters'] as const)
    server.get(
      `/api/v1/flow-runs/:id/${part}`,
      {
        schema: {
          ...about(
            TAG,
            part === 'result' ? 'What it returned, however large' : 'What it was started with, however large',
          ),
          params: ById,
          response: answers(Value),
        },
      },
      async (request) => {
        const id = known(request)
        const state = await openRun(context.broker, deps, id)
        if (state === undefined) throw missing('run', id)
        const ref = part === 'result' ? state.result : state.created.parameters
        if (ref === undefined)
          throw new CallboardError('CB_E_RESULT_MISSING', `Run ${id} has no result. Look at its state.`)
        return { value: await loadValue(context.broker.objects, ref) }
      },
    )

  /** The id of a run that there is, and that they may see. */
  function known(request: { params: { id: string } } & Parameters<typeof demandSight>[1]): string {
    const { id } = request.params
    demandSight(context, request, id)
    if (model.runs.head(id) === undefined) throw missing('run', id)
    return id
  }
}
