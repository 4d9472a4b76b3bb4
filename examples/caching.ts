/**
 * Results that are remembered: by the inputs, by a key of one's own, and for how long.
 *
 *   node examples/caching.ts
 */

import { flow, inputs, task } from 'callboard'

const helloTask = task(
  { cachePolicy: inputs, cacheExpiration: '2s' },
  async function hello_task(name: string) {
    console.log(`Saying hello ${name}`)
    return `hello ${name}`
  },
)

export const helloFlow = flow(async function hello_flow(name: string) {
  return helloTask(name)
})

const sumOf = (nums: readonly number[]) => nums.reduce((sum, num) => sum + num, 0)

const cachedTask = task(
  { cacheKeyFn: (_, { nums }) => sumOf(nums as number[]), cacheExpiration: '1m' },
  async function cached_task(nums: readonly number[]) {
    console.log('running an expensive operation')
    return sumOf(nums)
  },
)

export const testCaching = flow(async function test_caching(nums: readonly number[]) {
  return cachedTask(nums)
})

if (import.meta.main) {
  for (const name of ['Marvin', 'Marvin', 'Trillian']) console.log(await helloFlow(name))
  for (const nums of [
    [2, 2],
    [2, 2],
    [1, 3],
    [2, 3],
  ])
    console.log(await testCaching(nums))
  await new Promise((resolve) => setTimeout(resolve, 2_100))
  console.log(await helloFlow('Marvin'))
}
