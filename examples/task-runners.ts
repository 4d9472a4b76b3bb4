/**
 * Tasks that are submitted to a task runner, and passed on as futures: the second starts when the first has completed.
 *
 *   node examples/task-runners.ts
 */

import { flow, sequential, task } from 'callboard'

const firstTask = task(async function first_task(num: number) {
  return num + num
})

const secondTask = task(async function second_task(num: number) {
  return num * num
})

export const myFlow = flow(
  { name: 'My Example Flow', taskRunner: sequential() },
  async function my_flow(num: number) {
    const plusnum = firstTask.submit(num)
    const sqnum = secondTask.submit(plusnum)
    console.log(`add: ${await plusnum.result()}, square: ${await sqnum.result()}`)
  },
)

if (import.meta.main) await myFlow(5)
