/**
 * A pipeline of two tasks: fetches a forecast, with retries, and writes it to a file.
 *
 *   node examples/weather.ts
 */

import { writeFile } from 'node:fs/promises'
import { exponentialBackoff, flow, getRunLogger, runtime, task } from 'callboard'

interface Forecast {
  readonly hourly: { readonly temperature_2m: readonly number[] }
}

const SERVICE = process.env.WEATHER_URL ?? 'https://api.open-meteo.com/v1/forecast/'

export const fetchWeather = task(
  { retries: 4, retryDelaySeconds: exponentialBackoff(0.1), timeoutSeconds: 20, tags: ['http'] },
  async function fetchWeather(lat: number, lon: number) {
    const url = new URL(SERVICE)
    url.search = new URLSearchParams({
      latitude: String(lat),
      longitude: String(lon),
      hourly: 'temperature_2m',
    }).toString()
    const response = await fetch(url)
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

export const pipeline = flow(
  { logPrints: true },
  async function pipeline({ lat = 38.9, lon = -77.0 }: { lat?: number; lon?: number } = {}) {
    getRunLogger().info(`My name is ${runtime.flowRun.name}`)
    const temp = await fetchWeather(lat, lon)
    const result = await saveWeather(temp)
    console.log(result)
    return result
  },
)

if (import.meta.main) await pipeline()
