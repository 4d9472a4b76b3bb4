/**
 * A program of its own: hosts the run of a flow, or serves a flow, as a script does that its user wrote. The command that
 * started it says which, and hears how it goes.
 */

import { type FlowRunHandle, flowAt, flowsIn, serveTasks, takeOver, tasksIn } from '../../sdk/index.ts'
import { failureOf } from './failure.ts'
import type { HostOrder, HostReport } from './host-orders.ts'

const report = (what: HostReport): Promise<void> =>
  new Promise((sent) => (process.send === undefined ? sent() : process.send(what, () => sent())))

async function obey(order: HostOrder): Promise<void> {
  if (order.do === 'serve-tasks') {
    const tasks = (await Promise.all(order.files.map(tasksIn))).flat()
    const serving = await serveTasks(order.limit === undefined ? {} : { limit: order.limit }, ...tasks)
    await report({ did: 'serve', what: tasks.map(({ name }) => name) })
    return serving.stopped
  }
  if (order.do === 'take-over') {
    const flows = await flowsIn([order.file])
    return follow(
      await takeOver(
        order.run,
        flows.map(({ definition }) => definition),
      ),
    )
  }
  const { flow } = await flowAt(order.file, order.exported)
  if (order.do === 'serve') {
    const { name, parameters, limit } = order
    const serving = await flow.serve({
      name,
      ...(parameters === undefined ? {} : { parameters }),
      ...(limit === undefined ? {} : { limit }),
    })
    await report({ did: 'serve', what: [serving.deployment] })
    return serving.stopped
  }
  const { parameters, name, tags } = order
  return follow(await flow.start(parameters, { tags, ...(name === undefined ? {} : { name }) }))
}

async function follow(handle: FlowRunHandle<unknown>): Promise<void> {
  await report({ did: 'start', run: handle.id })
  const state = await handle.wait()
  const data = state.type === 'COMPLETED' ? await state.result() : undefined
  await report({
    did: 'end',
    state: { type: state.type, name: state.name, message: state.message },
    result: data === undefined ? undefined : JSON.stringify(data),
  })
}

process.once('message', (order: HostOrder) => {
  obey(order)
    .catch((error) => report({ did: 'fail', failure: failureOf(error) }))
    .finally(() => process.disconnect?.())
})
