/** The HTTP server under the routes: how requests are read, checked, answered and refused, and how it describes itself. */

export { addDocs } from './docs.ts'
export { faultsOf } from './faults.ts'
export { addMetrics, type MetricSources } from './metrics.ts'
export { invalid, invalidAt, PROBLEM_TYPE, problemOf } from './problems.ts'
export { createServer, type Server, type ServerOptions } from './server.ts'
