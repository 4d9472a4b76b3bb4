/** The stream of server-sent events of a run, read as any HTTP client would. */

import { describe, expect, test } from 'vitest'
import { openStage } from './support/stage.ts'

interface StreamEvent {
  readonly id: string
  readonly event: string
  readonly data: { readonly [field: string]: unknown }
}

/** Reads until `wanted`, or the end of the stream; then leaves. */
async function read(
  url: string,
  {
    headers = {},
    until = () => false,
  }: { headers?: Record<string, string>; until?: (event: StreamEvent) => boolean } = {},
): Promise<{ readonly status: number; readonly type: string; readonly events: StreamEvent[] }> {
  const leaving = new AbortController()
  const response = await fetch(url, { headers, signal: leaving.signal })
  const events: StreamEvent[] = []
  const found = { status: response.status, type: response.headers.get('content-type') ?? '', events }
  if (response.body === null) return found
  let text = ''
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    text += part
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event = parse(text.slice(0, end))
      text = text.slice(end + 2)
      if (event === undefined) continue
      events.push(event)
      if (!until(event)) continue
      leaving.abort()
      return found
    }
  }
  return found
}

function parse(block: string): StreamEvent | undefined {
  const fields = new Map(
    block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  )
  const data = fields.get('data')
  if (data === undefined) return undefined
  return { id: fields.get('id') ?? '', event: fields.get('event') ?? '', data: JSON.parse(data) }
}

describe('the stream of a run', () => {
  test('begins with a snapshot, tells what happens and ends with the run', async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway()
    const gate = Promise.withResolvers<void>()
    const run = await stage.play(async (session) => {
      await gate.promise
      await session.task({ task: 'only' }, async () => 1)
    })
    const { status, type, events } = await read(
      `http://127.0.0.1:${gateway.port}/api/v1/flow-runs/${run}/events`,
      {
        until: ({ event }) => {
          if (event === 'subscribed') gate.resolve()
          return false
        },
      },
    )
    expect([status, type]).toEqual([200, 'text/event-stream; charset=utf-8'])
    expect(events.map(({ event }) => event)).toEqual(['subscribed', 'task', 'task', 'task', 'state', 'end'])
    expect(events[0]?.data).toMatchObject({ snapshot: { run: { id: run, state: { name: 'Running' } } } })
  })

  test('goes on after the Last-Event-ID with the very events that the socket tells', async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway()
    const run = await stage.play(async (session) => {
      const said = ['a', 'b'].map((message) => ({ at: 5, level: 'info', message }))
      await session.note('log', { lines: said })
      await session.task({ task: 'only' }, async () => 1)
    })
    const client = await stage.client(gateway)
    await client.subscribe({ run }, { after: 'start' })
    await client.until(({ op }) => op === 'end')
    const told = client.events().map(({ op: _, sub: __, ...event }) => event)
    const url = `http://127.0.0.1:${gateway.port}/api/v1/flow-runs/${run}/events`
    const all = await read(`${url}?after=start`)
    expect(all.events.slice(0, -1).map(({ data }) => data)).toEqual(told)
    expect(all.events.at(-1)?.event).toBe('end')
    for (const [index, { id }] of all.events.slice(0, -2).entries()) {
      const rest = await read(url, { headers: { 'last-event-id': id } })
      expect(rest.events).toEqual(all.events.slice(index + 1))
    }
  })

  test('answers 204 to who comes again at the end of a run that is over', async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway()
    const run = await stage.play(async () => 1)
    const url = `http://127.0.0.1:${gateway.port}/api/v1/flow-runs/${run}/events`
    const { events } = await read(`${url}?after=start`)
    const again = await read(url, { headers: { 'last-event-id': events.at(-1)?.id ?? '' } })
    expect(again).toMatchObject({ status: 204, events: [] })
  })

  test('gives only the kinds and levels that are wanted', async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway()
    const run = await stage.play(async (session) => {
      const said = ['debug', 'warn', 'info', 'error'].map((level) => ({ at: 5, level, message: level }))
      await session.note('log', { lines: said })
    })
    const url = `http://127.0.0.1:${gateway.port}/api/v1/flow-runs/${run}/events?after=start`
    const { events } = await read(`${url}&kinds=log&kinds=artifact&level=warn`)
    expect(
      events.map(({ event, data }) => [event, (data.data as { message?: string } | undefined)?.message]),
    ).toEqual([
      ['log', 'warn'],
      ['log', 'error'],
      ['end', undefined],
    ])
  })

  test('is refused as any request is: a run that is not, a wrong cursor, a wrong query, no key', async () => {
    await using stage = await openStage()
    const run = await stage.create()
    const gateway = await stage.gateway()
    const locked = await stage.gateway({ isOpen: false })
    const at = (port: number, path: string) => fetch(`http://127.0.0.1:${port}/api/v1/flow-runs/${path}`)
    const codes: unknown[] = []
    for (const response of [
      await at(gateway.port, 'nobody/events'),
      await at(gateway.port, `${run}/events?after=nonsense`),
      await at(gateway.port, `${run}/events?level=loud`),
      await at(gateway.port, `${run}/events?kinds=states`),
      await at(gateway.port, `${run}/events?state=RUNING`),
      await at(locked.port, `${run}/events`),
    ])
      codes.push([response.status, ((await response.json()) as { code: string }).code])
    expect(codes).toEqual([
      [404, 'CB_E_RUN_MISSING'],
      [400, 'CB_E_CURSOR_INVALID'],
      [400, 'CB_E_REQUEST_INVALID'],
      [400, 'CB_E_REQUEST_INVALID'],
      [400, 'CB_E_REQUEST_INVALID'],
      [401, 'CB_E_UNAUTHENTICATED'],
    ])
  })

  test('is left by its client without a trace, and ended when the gateway stops', async () => {
    await using stage = await openStage()
    const gateway = await stage.gateway()
    const run = await stage.create()
    const url = `http://127.0.0.1:${gateway.port}/api/v1/flow-runs/${run}/events`
    await read(url, { until: ({ event }) => event === 'subscribed' })
    await stage.until(() => gateway.live.members === 0)
    const begun = Promise.withResolvers<void>()
    const reading = read(url, {
      until: () => {
        begun.resolve()
        return false
      },
    })
    await begun.promise
    await gateway.stop()
    expect((await reading).events.map(({ event }) => event)).toEqual(['subscribed'])
  })
})
