/** Which run somebody means: its id, a part of its id, or its name. */

import type { FlowRun, GatewayClient } from '../../client/index.ts'
import { CommandFailure } from '../exits.ts'
import { fromNow } from '../output/index.ts'

const WHOLE_ID = /^[0-9a-v]{28}$/
const PART_OF_ID = /^[0-9a-v]{4,27}$/
/** Among so many of the newest runs a shortened id is looked for. */
const LOOKED_AT = 2_000

export function isWholeId(text: string): boolean {
  return WHOLE_ID.test(text)
}

/** @throws CommandFailure when there is none, or more than one */
export async function runMeant(client: GatewayClient, text: string, now: number): Promise<string> {
  if (isWholeId(text)) return text
  const named = await client.flowRuns.list({ name: text, limit: 200 })
  const byName = named.items.filter(({ name }) => name.toLowerCase() === text.toLowerCase())
  const found = byName.length > 0 ? byName : await withIdLike(client, text.toLowerCase())
  const [only, ...others] = found
  if (only === undefined) {
    const { caughtUp } = await client.ready()
    throw new CommandFailure(
      `No run is called '${text}', and no id begins or ends so. ${caughtUp ? 'List them: callboard flow-run ls' : 'The gateway is still reading the log, so it may come to know it: try again in a moment, or give the whole id.'}`,
    )
  }
  if (others.length === 0) return only.id
  const lines = found
    .slice(0, 10)
    .map((run) => `  ${run.id}  ${run.name}  ${run.state.name}  ${fromNow(run.createdAt, now)}`)
  throw new CommandFailure(
    `'${text}' could be ${found.length} runs; give more of the id:\n${lines.join('\n')}`,
  )
}

async function withIdLike(client: GatewayClient, text: string): Promise<readonly FlowRun[]> {
  if (!PART_OF_ID.test(text)) return []
  const found: FlowRun[] = []
  let looked = 0
  for await (const run of client.flowRuns.all({ limit: 200 })) {
    if (run.id.startsWith(text) || run.id.endsWith(text)) found.push(run)
    if (++looked === LOOKED_AT) break
  }
  return found
}
