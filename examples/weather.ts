/**
 * A pipeline of two tasks: fetches a forecast, with retries, and writes it to a file. Where the weather is wanted for is a
 * variable; the service and its key are a block, whose key no log ever shows.
 *
 *   node examples/weather.ts setup      sets both
 *   node examples/weather.ts
 */

import { writeFile } from 'node:fs/promises'
import { Block, exponentialBackoff, flow, getRunLogger, runtime, task, Variable } from 'callboard'
import { z } from 'zod'

interface Forecast {
  readonly hourly: { readonly temperature_2m: readonly number[] }
}

export const WeatherService = Block.define({
  type: 'weather-service',
  schema: z.object({ url: z.url(), key: z.string() }),
  secrets: ['key'],
})

export const fetchWeather = task(
  { retries: 4, retryDelaySeconds: exponentialBackoff(0.1), timeoutSeconds: 20, tags: ['http'] },
  async function fetchWeather(lat: number, lon: number) {
    const service = await WeatherService.load('default')
    console.log(`Asking ${service.url} with the key ${service.key}`)
    const url = new URL(service.url)
    url.search = new URLSearchParams({
      latitude: String(lat),
      longitude: String(lon),
      hourly: 'temperature_2m',
    }).toString()
    const response = await fetch(url, { headers: { authorization: `Bearer ${service.key.reveal()}` } })
    if (!response.ok) throw new Error(`The weather service answered ${response.status}.`)
    const temps = (await response.json()) as Forecast
    const forecast = Number(temps.hourly.temperature_2m[0])
    console.log(`Forecasted temp C: ${forecast} degrees`)
    return forecast
  },
)

export const saveWeather = task(async function saveWeather(temp: number) {
  await writeFile(process.env.WEATHER_FILE ?? 'weather.csv', String(temp))
  return 'Successfully wrote temp'
})

export const pipeline = flow({ logPrints: true }, async function pipeline() {
  getRunLogger().info(`My name is ${runtime.flowRun.name}`)
  const { lat, lon } = await Variable.get('weather-place', { lat: 38.9, lon: -77.0 })
  const temp = await fetchWeather(lat, lon)
  const result = await saveWeather(temp)
  console.log(result)
  return result
})

async function setup(): Promise<void> {
  const { WEATHER_KEY = 'none', WEATHER_URL = 'https://api.open-meteo.com/v1/forecast/' } = process.env
  await WeatherService.save('default', { url: WEATHER_URL, key: WEATHER_KEY }, { overwrite: true })
  await Variable.set('weather-place', { lat: 52.5, lon: 13.4 }, { tags: ['weather'], overwrite: true })
}

if (import.meta.main) await (process.argv[2] === 'setup' ? setup() : pipeline())
