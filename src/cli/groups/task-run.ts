/** `callboard task-run`: runs of tasks. */

import { Command } from '@commander-js/extra-typings'
import type { TaskRun } from '../../client/index.ts'
import type { Context } from '../context.ts'
import { count, runMeant, several } from '../input/index.ts'
import { type Column, colourOf, fromNow, lineText, oneLine, spanText, traceText } from '../output/index.ts'

export function taskRunGroup(context: Context) {
  return new Command('task-run')
    .description('Runs of tasks.')
    .addCommand(listCommand(context))
    .addCommand(inspectCommand(context))
    .addCommand(logsCommand(context))
}

function listCommand(context: Context) {
  return new Command('ls')
    .alias('list')
    .description('Task runs, of one flow run or of all.')
    .option('--run <run>', "a flow run's id, the beginning or end of it, or its name")
    .option('--task <name>', 'of this task (several times)', several)
    .option('--state <state>', 'in this state (several times)', several)
    .option('--limit <count>', 'how many, 200 at most', count, 50)
    .option('--json', 'as JSON')
    .action(async ({ run, task, state, limit, json }) => {
      const client = await context.client()
      const of = run === undefined ? undefined : await runMeant(client, run, context.deps.clock.now())
      const { hint, items } = await client.taskRuns.list({
        limit,
        ...(of === undefined ? {} : { run: of }),
        ...(task === undefined ? {} : { task: [...task] }),
        ...(state === undefined ? {} : { state: [...state] }),
      })
      context.out.list(items, columns(context), { json, none: 'No task runs.' })
      if (items.length === 0 && hint !== undefined) context.out.note(hint)
    })
}

function columns({ deps }: Context): readonly Column<TaskRun>[] {
  return [
    { title: 'ID', value: ({ id }) => id },
    { title: 'TASK', value: ({ task }) => task },
    { title: 'STATE', value: ({ state }) => state.name, colour: ({ state }) => colourOf(state) },
    { title: 'CREATED', value: ({ createdAt }) => fromNow(createdAt, deps.clock.now()) },
    { title: 'RAN', value: ({ totalRunMs }) => spanText(totalRunMs), align: 'right' },
    { title: 'ATTEMPTS', value: ({ runCount }) => String(runCount), align: 'right' },
  ]
}

function inspectCommand(context: Context) {
  return new Command('inspect')
    .description('Everything that is known of a task run.')
    .argument('<id>', 'the id of its flow run, a dot, and its key: <run>.fetch-0')
    .option('--json', 'as JSON')
    .action(async (id, { json }) => {
      const { out } = context
      const taskRun = await (await context.client()).taskRuns.get(id)
      if (json === true) return out.json(taskRun)
      const { state } = taskRun
      out.facts({
        id: taskRun.id,
        task: taskRun.task,
        state: `${out.colour(colourOf(state), state.name)}  ${fromNow(state.timestamp, context.deps.clock.now())}`,
        message: state.message,
        result: state.type === 'COMPLETED' && state.data !== undefined ? oneLine(state.data) : undefined,
        tags: taskRun.tags.length === 0 ? undefined : taskRun.tags.join(', '),
        upstream: taskRun.upstream.length === 0 ? undefined : taskRun.upstream.join(', '),
        started: taskRun.startTime,
        ended: taskRun.endTime,
        ran: spanText(taskRun.totalRunMs),
        attempts: String(taskRun.runCount),
      })
      out.below(traceText(state))
    })
}

function logsCommand(context: Context) {
  return new Command('logs')
    .description('The log lines of a task run.')
    .argument('<id>', 'the id of its flow run, a dot, and its key: <run>.fetch-0')
    .option('--json', 'as JSON')
    .action(async (id, { json }) => {
      const { items } = await (await context.client()).taskRuns.logs(id, { limit: 200 })
      if (json === true) context.out.json(items)
      else for (const line of items) context.out.line(lineText(context.out, line))
    })
}
