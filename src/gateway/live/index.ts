/**
 * What happens to runs, told as it happens: the live socket and its twin of server-sent events. One following of the log
 * feeds any number of clients; each goes on from its own cursor, also where another gateway left it, and one that reads
 * slowly slows nobody else.
 */

export { addAsyncApi, asyncApi } from './asyncapi.ts'
export { directoryOf } from './directory.ts'
export { LIVE_LIMITS, type LiveLimits } from './limits.ts'
export { createLive, type Live } from './live.ts'
export { addSocket, type SocketOptions } from './socket.ts'
export type { LiveSources, RunDirectory, WorkerDirectory } from './sources.ts'
export { addStream, type StreamOptions } from './stream.ts'
