/** Whoever was told of something finds it when they read: reads wait for what was written before them. */

import type { Server } from './http/index.ts'
import { type OwnWrites, parseMark } from './own-writes.ts'

/** Reads of what the read model has. Streams find their own place. */
const READS = /^\/api\/v1\/(?!live)/

/** Before any route is added. Another gateway's answers carry `Callboard-After`; given back here, that is waited for too. */
export function addReadYourWrites(server: Server, writes: OwnWrites): void {
  server.addHook('preHandler', async ({ headers, method, url }) => {
    if (method !== 'GET' || !READS.test(url)) return
    const after = headers['callboard-after']
    if (typeof after === 'string') await writes.reached(parseMark(after))
    await writes.settled()
  })
}
