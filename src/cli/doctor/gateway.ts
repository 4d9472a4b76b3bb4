/** The gateway: whether it can be reached, is of this version, and keeps up; and whether a worker is there. */

import { GatewayError } from '../../client/index.ts'
import { messageOf, packageVersion } from '../../core/index.ts'
import type { Context } from '../context.ts'
import { bad, type Finding, good, weak } from './finding.ts'

export async function checkGateway(context: Context): Promise<readonly Finding[]> {
  const client = await context.client().catch(() => undefined)
  if (client === undefined) return []
  try {
    const { version } = await client.version()
    const findings: Finding[] = [good(`Gateway ${client.url}, version ${version}`)]
    if (version !== packageVersion())
      findings.push(
        weak(
          `This program is version ${packageVersion()}, the gateway is ${version}`,
          'Bring both to the newer one.',
        ),
      )
    const { ready, reason } = await client.ready()
    if (!ready)
      findings.push(
        weak('The gateway is not ready', reason ?? 'It is reading the log; ask again in a moment.'),
      )
    const workers = await Array.fromAsync(client.workers.all())
    findings.push(
      workers.length === 0
        ? weak(
            'No worker is there: runs of deployments wait',
            'Start one: callboard worker start --pool default',
          )
        : good(`${workers.length} ${workers.length === 1 ? 'worker is' : 'workers are'} there`),
    )
    return findings
  } catch (error) {
    const isAway = error instanceof GatewayError && error.code === 'UNREACHABLE'
    return [
      isAway
        ? weak(
            `No gateway at ${client.url}`,
            'Start one (callboard server start, or callboard dev), or set url: callboard config set url=…',
          )
        : bad(`The gateway ${client.url} refuses`, messageOf(error)),
    ]
  }
}
