/** The broker: whether it can be reached, what it promises, and whether its clock is ours. */

import { statfs } from 'node:fs/promises'
import { type Broker, openBroker } from '../../broker/index.ts'
import { type Clock, formatSize, hideCredentials, messageOf } from '../../core/index.ts'
import type { Context } from '../context.ts'
import { spanText } from '../output/index.ts'
import { bad, type Finding, good, weak } from './finding.ts'

/** A clock that is off by more than this fires timers at the wrong moment. */
const SKEW_MS = 2_000
const LITTLE_ROOM = 1024 ** 3

export async function checkBroker(context: Context): Promise<readonly Finding[]> {
  const settings = await context.settings().catch(() => undefined)
  if (settings === undefined) return []
  const url = hideCredentials(settings.brokerUrl)
  try {
    const broker = await openBroker(settings.brokerUrl, context.deps)
    await broker.start()
    try {
      const clock = await checkClock(broker, context.deps.clock)
      return [...promises(broker, url), ...(await checkRoom(settings.brokerUrl)), clock]
    } finally {
      await broker.stop()
    }
  } catch (error) {
    return [bad(`The broker ${url} cannot be used`, messageOf(error))]
  }
}

function promises({ capabilities }: Broker, url: string): readonly Finding[] {
  const { driver, durability, reach, replicas, version, warnings } = capabilities
  const findings = [
    good(
      `Broker ${url}: ${driver} ${version}, shared by a ${reach}, ${replicas} ${replicas === 1 ? 'copy' : 'copies'}`,
    ),
  ]
  if (durability === 'power') findings.push(good('An acknowledged append survives a power cut'))
  if (durability === 'process')
    findings.push(
      weak(
        'An acknowledged append survives a killed process, and not a power cut',
        driver === 'nats'
          ? 'Set sync_interval: always in the server, or run three replicas.'
          : 'Leave ?sync=normal out of the URL.',
      ),
    )
  if (durability === 'none')
    findings.push(
      weak('Nothing survives the end of this process', 'Give embedded:<folder> or nats://host:4222.'),
    )
  return [...findings, ...warnings.map((warning) => weak(warning, 'See docs/how-to/brokers.md.'))]
}

async function checkRoom(url: string): Promise<readonly Finding[]> {
  if (!url.startsWith('embedded:')) return []
  const [folder = ''] = url.slice('embedded:'.length).split('?')
  const { bavail, bsize } = await statfs(folder)
  const left = Math.floor((bavail * bsize) / LITTLE_ROOM) * LITTLE_ROOM
  if (left >= LITTLE_ROOM) return [good(`${formatSize(left)} free in ${folder}`)]
  return [
    weak(
      `Less than ${formatSize(LITTLE_ROOM)} free in ${folder}`,
      'Make room, or move the folder: CALLBOARD_HOME.',
    ),
  ]
}

/** The broker's clock lies between the times just before and just after the write, or one of the two is wrong. */
async function checkClock({ kv }: Broker, clock: Clock): Promise<Finding> {
  const bucket = await kv.bucket('doctor')
  const before = clock.now()
  await bucket.put('clock', before)
  const after = clock.now()
  const entry = await bucket.get('clock')
  await bucket.delete('clock')
  const at = entry?.at ?? before
  const skew = at < before ? at - before : Math.max(0, at - after)
  if (Math.abs(skew) <= SKEW_MS)
    return good(`The broker's clock and ours agree (round trip ${after - before} ms)`)
  return bad(
    `The broker's clock is ${spanText(Math.abs(skew))} ${skew < 0 ? 'behind' : 'ahead of'} ours`,
    'Set both machines by NTP: timers fire by these clocks.',
  )
}
