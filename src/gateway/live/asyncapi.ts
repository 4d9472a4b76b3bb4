/** The socket describes itself: AsyncAPI 3, made from the schemas of its frames. */

import type { TSchema } from 'typebox'
import {
  AuthFrame,
  EndFrame,
  EventFrame,
  GapFrame,
  HelloFrame,
  PingFrame,
  PongFrame,
  ReplyFrame,
  SignalFrame,
  StartFrame,
  SUBPROTOCOL,
  SubscribedFrame,
  SubscribeFrame,
  UnsubscribeFrame,
} from '../../api/index.ts'
import { packageVersion } from '../../core/index.ts'
import type { Server } from '../http/index.ts'
import { CLOSE } from './closing.ts'

interface Message {
  readonly schema: TSchema
  readonly summary: string
}

/** What a client may say. */
const SAID: Readonly<Record<string, Message>> = {
  auth: {
    schema: AuthFrame,
    summary: 'Who the client is: the first frame, when no Authorization header could be sent.',
  },
  subscribe: { schema: SubscribeFrame, summary: 'Follow one run, many runs, the workers, or events.' },
  unsubscribe: { schema: UnsubscribeFrame, summary: 'Follow it no longer.' },
  signal: { schema: SignalFrame, summary: 'Tell a run something.' },
  start: { schema: StartFrame, summary: 'Start a run.' },
  ping: { schema: PingFrame, summary: 'Is anybody there?' },
}

/** What a client hears. */
const HEARD: Readonly<Record<string, Message>> = {
  hello: { schema: HelloFrame, summary: 'The client is let in.' },
  subscribed: {
    schema: SubscribedFrame,
    summary: 'A subscription begins: what holds at its cursor. Exactly what came after that follows.',
  },
  event: { schema: EventFrame, summary: 'Something happened. Its cursor is where to go on from.' },
  gap: {
    schema: GapFrame,
    summary: 'What lies between the two cursors was not told; what holds after it comes along.',
  },
  end: { schema: EndFrame, summary: 'The run is terminal and its last line was sent.' },
  reply: { schema: ReplyFrame, summary: 'What became of a frame with that id.' },
  pong: { schema: PongFrame, summary: 'Here.' },
}

const CHANNEL = { $ref: '#/channels/live' }

export function asyncApi(): Record<string, unknown> {
  const all = { ...SAID, ...HEARD }
  const references = (messages: object, from: string) =>
    Object.keys(messages).map((name) => ({ $ref: `${from}/${name}` }))
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Callboard live',
      version: packageVersion(),
      description: `JSON text frames over a WebSocket, subprotocol \`${SUBPROTOCOL}\`. Close codes: ${closings()}.`,
      license: { name: 'Apache-2.0' },
    },
    servers: { gateway: { host: 'localhost:4200', protocol: 'ws' } },
    defaultContentType: 'application/json',
    channels: {
      live: {
        address: '/api/v1/live',
        messages: Object.fromEntries(
          Object.keys(all).map((name) => [name, { $ref: `#/components/messages/${name}` }]),
        ),
      },
    },
    operations: {
      // By the gateway: it receives what clients say.
      receive: {
        action: 'receive',
        channel: CHANNEL,
        messages: references(SAID, '#/channels/live/messages'),
      },
      send: { action: 'send', channel: CHANNEL, messages: references(HEARD, '#/channels/live/messages') },
    },
    components: {
      messages: Object.fromEntries(
        Object.entries(all).map(([name, { schema, summary }]) => [
          name,
          { name, summary, payload: JSON.parse(JSON.stringify(schema)) },
        ]),
      ),
    },
  }
}

export function addAsyncApi(server: Server): void {
  const document = asyncApi()
  server.get('/api/asyncapi.json', async () => document)
}

function closings(): string {
  return Object.values(CLOSE)
    .map(({ code, reason }) => `${code} ${reason}`)
    .join(', ')
}
