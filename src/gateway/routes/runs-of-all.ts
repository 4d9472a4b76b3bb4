/** What runs leave behind, over all of them: task runs, log lines, events. */

import { Type } from 'typebox'
import {
  EventQuery,
  LogLine,
  LogQuery,
  Paging,
  PastState,
  RunEvent,
  RunLogQuery,
  strict,
  TaskRun,
  TaskRunId,
  TaskRunQuery,
} from '../../api/index.ts'
import { demandStates, hintOf } from '../asked-states.ts'
import type { Server } from '../http/index.ts'
import {
  about,
  answers,
  answersPage,
  type Context,
  demandSight,
  demandSightOfAny,
  missing,
  partsOf,
} from './context.ts'

const ById = Type.Object({ id: TaskRunId })
const States = Type.Object(Paging, strict)
const { task: _, ...ofTask } = RunLogQuery.properties
const LogOfTask = Type.Object(ofTask, strict)

export function addTaskRuns(server: Server, context: Context): void {
  const { model } = context
  const tag = 'task-runs'

  server.get(
    '/api/v1/task-runs',
    { schema: { ...about(tag, 'Task runs'), querystring: TaskRunQuery, response: answersPage(TaskRun) } },
    async (request) => {
      demandSightOfAny(context, request, { run: request.query.run })
      demandStates(model, request.query.state)
      return { ...model.tasks.list(request.query), ...hintOf(model, request.query.state) }
    },
  )

  server.get(
    '/api/v1/task-runs/:id',
    { schema: { ...about(tag, 'A task run'), params: ById, response: answers(TaskRun) } },
    async (request) => {
      const { id } = request.params
      demandSight(context, request, partsOf(id).run)
      const task = model.tasks.get(id)
      if (task === undefined) throw missing('task run', id)
      return task
    },
  )

  server.get(
    '/api/v1/task-runs/:id/states',
    {
      schema: {
        ...about(tag, 'The states it was in, oldest first'),
        params: ById,
        querystring: States,
        response: answersPage(PastState),
      },
    },
    async (request) => {
      const { id } = request.params
      demandSight(context, request, partsOf(id).run)
      if (model.tasks.get(id) === undefined) throw missing('task run', id)
      const { cursor, limit } = request.query
      return model.events.statesOfTask(id, { cursor, limit })
    },
  )

  server.get(
    '/api/v1/task-runs/:id/logs',
    {
      schema: {
        ...about(tag, 'Its log lines, oldest first'),
        params: ById,
        querystring: LogOfTask,
        response: answersPage(LogLine),
      },
    },
    async (request) => {
      const { id } = request.params
      const { key, run } = partsOf(id)
      demandSight(context, request, run)
      if (model.tasks.get(id) === undefined) throw missing('task run', id)
      return model.lines.ofRun(run, { ...request.query, task: key })
    },
  )
}

export function addWhatHappened(server: Server, context: Context): void {
  const { model } = context

  server.get(
    '/api/v1/logs',
    {
      schema: {
        ...about('logs', 'Log lines of all runs, newest first'),
        querystring: LogQuery,
        response: answersPage(LogLine),
      },
    },
    async (request) => {
      demandSightOfAny(context, request, { run: request.query.run })
      return model.lines.list(request.query)
    },
  )

  server.get(
    '/api/v1/events',
    {
      schema: {
        ...about(
          'events',
          'What happened, newest first',
          'States entered, signals taken, and what code told of.',
        ),
        querystring: EventQuery,
        response: answersPage(RunEvent),
      },
    },
    async (request) => {
      demandSightOfAny(context, request, request.query)
      return model.events.list(request.query)
    },
  )
}
