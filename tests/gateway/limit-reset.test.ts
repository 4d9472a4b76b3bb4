/** `POST /concurrency-limits/:name/reset`, with the scheduler that keeps the slots. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SLOTS_SUBJECT } from '../../src/actors/index.ts'
import type { LimitReset, Problem } from '../../src/api/index.ts'
import { createScheduler, type Scheduler } from '../../src/scheduler/index.ts'
import { startGateway, type TestGateway } from './support/gateway.ts'

let gateway: TestGateway
let scheduler: Scheduler | undefined
beforeEach(async () => {
  scheduler = undefined
  gateway = await startGateway()
  await gateway.ask('POST', LIMITS, { body: { name: 'tag:db', slots: 2 } })
})
afterEach(async () => {
  await scheduler?.stop()
  await gateway[Symbol.asyncDispose]()
})

const LIMITS = '/api/v1/concurrency-limits'

const reset = (name: string) =>
  gateway.ask<LimitReset & Problem>('POST', `${LIMITS}/${encodeURIComponent(name)}/reset`)

async function startScheduler(): Promise<void> {
  scheduler = createScheduler(gateway.broker, gateway.deps)
  await scheduler.start()
}

/** Resolves once there is a keeper and it has said so. */
async function hold(holder: { readonly run: string; readonly task?: string }, occupy: number): Promise<void> {
  const request = { op: 'acquire', worker: 'w', want: { holder, limits: ['tag:db'], since: 0, occupy } }
  for (;;) {
    const reply = await gateway.broker.bus.request(SLOTS_SUBJECT, request)
    if (reply.outcome !== 'reply') continue
    expect(reply.value).toMatchObject({ is: 'granted' })
    return
  }
}

describe('a concurrency limit', () => {
  test('is reset: all its slots are free, and who had them is told', async () => {
    await startScheduler()
    await hold({ run: 'run-1' }, 1)
    await hold({ run: 'run-2', task: 'query-0' }, 1)
    expect(await reset('tag:db')).toMatchObject({
      status: 200,
      body: {
        name: 'tag:db',
        freed: 2,
        holders: [
          { run: 'run-1', slots: 1 },
          { run: 'run-2', taskRun: 'run-2.query-0', slots: 1 },
        ],
      },
    })
    await hold({ run: 'run-3' }, 2)
    expect((await reset('tag:db')).body).toMatchObject({ freed: 2, holders: [{ run: 'run-3', slots: 2 }] })
    expect((await reset('tag:db')).body).toEqual({ name: 'tag:db', freed: 0, holders: [] })
  })

  test('that there is not is not reset', async () => {
    await startScheduler()
    await hold({ run: 'run-1' }, 1)
    expect((await reset('tag:none')).body).toMatchObject({ status: 404, code: 'CB_E_CATALOG_MISSING' })
  })

  test('is not reset when no scheduler keeps its slots; the answer says when to try again', async () => {
    const { body, headers, status } = await reset('tag:db')
    expect([status, body.code]).toEqual([503, 'CB_E_SLOTS_UNKEPT'])
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
  })
})
