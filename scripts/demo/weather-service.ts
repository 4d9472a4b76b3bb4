/** A weather service on this machine that is not at its best: it refuses the first calls for some cities. */

import { once } from 'node:events'
import { createServer } from 'node:http'

export interface WeatherService extends AsyncDisposable {
  readonly url: string
  /** How often it has refused. */
  readonly refused: number
}

export async function startWeatherService(
  refusals: Readonly<Record<string, number>>,
): Promise<WeatherService> {
  const left = new Map(Object.entries(refusals))
  let refused = 0
  const server = createServer((request, response) => {
    const city = new URL(request.url ?? '/', 'http://weather').searchParams.get('city') ?? ''
    const more = left.get(city) ?? 0
    if (more > 0) {
      left.set(city, more - 1)
      refused++
      response.writeHead(503).end()
    } else response.end(JSON.stringify({ city, celsius: city.length * 2.5 }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  return {
    url: `http://127.0.0.1:${port}/forecast`,
    get refused() {
      return refused
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
