/** The flows of the demo, as a user writes them. */

import { appendFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { exponentialBackoff, flow, getRunLogger, pauseFlowRun, progress, task } from 'callboard'

interface Forecast {
  readonly city: string
  readonly celsius: number
}

/** The service fails at first: each failure is in the log, and so is when it will be tried again. */
const fetchForecast = task(
  { name: 'fetch-forecast', retries: 4, retryDelaySeconds: exponentialBackoff(0.2) },
  async (city: string): Promise<Forecast> => {
    const response = await fetch(`${process.env.WEATHER_URL}?city=${encodeURIComponent(city)}`)
    if (!response.ok) throw new Error(`The weather service answered ${response.status} for ${city}.`)
    return (await response.json()) as Forecast
  },
)

const average = task('average', async (forecasts: readonly Forecast[]) => {
  const sum = forecasts.reduce((all, { celsius }) => all + celsius, 0)
  return Math.round((sum / forecasts.length) * 10) / 10
})

export const weather = flow(
  { name: 'weather', logPrints: true },
  async ({ cities }: { readonly cities: readonly string[] }) => {
    const forecasts = await fetchForecast.map(cities).result()
    const celsius = await average(forecasts)
    console.log(`${cities.length} cities, ${celsius} °C on average`)
    const { publish } = (await pauseFlowRun({
      message: `Publish ${celsius} °C?`,
      input: {
        type: 'object',
        properties: { publish: { type: 'boolean' } },
        required: ['publish'],
        additionalProperties: false,
      },
      timeoutSeconds: 60,
    })) as { readonly publish: boolean }
    return publish ? `published: ${celsius} °C` : 'held back'
  },
)

const step = task('step', async (number: number) => {
  await delay(150)
  // What the world sees of it: a line for each time the body ran to its end.
  await appendFile(process.env.STEPS_FILE ?? 'steps.txt', `${number}\n`)
  getRunLogger().info(`step ${number} in the worker with process ${process.ppid}`)
  return number
})

export const longHaul = flow({ name: 'long-haul' }, async ({ steps }: { readonly steps: number }) => {
  let sum = 0
  for (let number = 1; number <= steps; number++) {
    sum += await step(number)
    await progress(number, steps)
  }
  return sum
})

export const stuck = flow({ name: 'stuck', graceSeconds: 1 }, async () => {
  getRunLogger().info('counting sheep, for ever')
  await delay(500)
  for (let sheep = 0; ; ) sheep = (sheep + 1) % 1_000
})
