/** Commands while the gateway still reads the log: they wait and say so, or say why they cannot be answered yet. */

import { expect, test } from 'vitest'
import { openStage } from '../gateway/live/support/stage.ts'
import { startGateway } from '../gateway/support/gateway.ts'
import { READ_AT_ONCE, readSlowly } from '../gateway/support/slow-reading.ts'
import { makeHome } from './support/callboard.ts'

test('a run whose name the gateway does not know yet is waited for when it is watched, and told of else', {
  timeout: 120_000,
}, async () => {
  await using stage = await openStage()
  for (let n = 0; n < READ_AT_ONCE; n++) await stage.create()
  const run = await stage.create({ name: 'late-one' })
  await stage.signal(run, 'cancel')
  const { slow, readOn } = readSlowly(stage.broker)
  await using gateway = await startGateway({ broker: slow })
  await using home = await makeHome()
  const here = home.with({ env: { CALLBOARD_URL: gateway.url } })
  const asked = await here.run('flow-run', 'inspect', 'late-one')
  expect([asked.code, asked.err]).toEqual([
    1,
    expect.stringContaining('The gateway is still reading the log'),
  ])
  const watching = here.start('flow-run', 'watch', 'late-one')
  await watching.says(/^Waiting for the gateway: it is still reading the log\.$/m)
  readOn()
  const { code, err, out } = await watching.ended
  expect([code, err.match(/Waiting/g)]).toEqual([1, ['Waiting']])
  expect(out).toMatch(/late-one Cancelled/)
})
