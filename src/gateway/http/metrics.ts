/** How the gateway is, for Prometheus. The names and labels here are API. */

import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Deps } from '../../core/index.ts'
import type { Server } from './server.ts'

export interface MetricSources {
  readonly deps: Pick<Deps, 'clock'>
  /** Flow runs that are kept, by type of state. */
  runs(): Readonly<Record<string, number>>
  workers(): number
  isConnected(): boolean
  isLive(): boolean
  /** Sockets and streams that are open. */
  connections(): number
  readModel(): { readonly records: number; readonly unreadable: number }
}

/** Upper bounds in seconds: from a read out of memory to what nobody should wait for. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export function addMetrics(server: Server, sources: MetricSources): void {
  const registers = [new Registry()]
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      ...{ name, help, registers },
      collect() {
        this.set(value())
      },
    })
  const counter = (name: string, help: string, value: () => number) =>
    new Counter({
      ...{ name, help, registers },
      collect() {
        this.reset()
        this.inc(value())
      },
    })

  new Gauge({
    ...{ name: 'callboard_flow_runs', help: 'Flow runs that are kept, by type of state.', registers },
    labelNames: ['state'],
    collect() {
      this.reset()
      for (const [state, count] of Object.entries(sources.runs())) this.set({ state }, count)
    },
  })
  gauge('callboard_workers', 'Workers that are alive.', sources.workers)
  gauge('callboard_broker_connected', 'Whether the broker is connected.', () => Number(sources.isConnected()))
  gauge('callboard_read_model_live', 'Whether the read model is where the log is.', () =>
    Number(sources.isLive()),
  )
  gauge('callboard_live_connections', 'Sockets and streams that are open.', sources.connections)
  counter(
    'callboard_read_model_records_total',
    'Records that the read model has taken in since the start.',
    () => sources.readModel().records,
  )
  counter(
    'callboard_read_model_unreadable_total',
    'Entries of the log that could not be read since the start.',
    () => sources.readModel().unreadable,
  )
  gauge('process_resident_memory_bytes', 'Memory of the process.', () => process.memoryUsage.rss())
  counter('process_cpu_seconds_total', 'Processor time of the process.', () => {
    const { system, user } = process.cpuUsage()
    return (user + system) / 1e6
  })
  const requests = new Histogram({
    name: 'callboard_http_request_duration_seconds',
    help: 'How long requests took to be answered.',
    labelNames: ['method', 'route', 'status'],
    buckets: BUCKETS,
    registers,
  })

  server.addHook('onResponse', async ({ method, routeOptions }, { elapsedTime, statusCode }) => {
    const route = routeOptions.url ?? 'unknown'
    requests.observe({ method, route, status: statusCode }, elapsedTime / 1_000)
  })
  const [registry] = registers
  server.get('/metrics', { schema: { hide: true }, config: { scope: 'read' } }, async (_, reply) => {
    reply.header('content-type', registry?.contentType)
    return registry?.metrics()
  })
}
