/** Once per run of the tests: the real brokers that they start are on this machine. */

import { findOrInstall } from '../../scripts/brokers.ts'

export async function setup(): Promise<void> {
  await findOrInstall('nats-server')
}
