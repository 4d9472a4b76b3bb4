/**
 * The socket at which other processes of this machine reach this one. Each connection says hello first; then its
 * messages and questions go to the listeners of this process, and answers go back over it.
 */

import { createServer, type Server, type Socket } from 'node:net'
import { type Logger, messageOf } from '../../../core/index.ts'
import { encodeFrame, type Frame, frameReader, type Head, PROTOCOL } from './frames.ts'
import { MOST_UNSENT_BYTES } from './link.ts'
import type { Switchboard } from './switchboard.ts'

export interface Caller {
  readonly id: string
  /** Where it can be dialled back. */
  readonly socket: string
}

export interface Reception {
  /** How many connections there are. */
  readonly callers: number
  close(): Promise<void>
}

export interface ReceptionParts {
  readonly board: Switchboard
  readonly logger: Logger
  /** A process has said hello. */
  onCaller(caller: Caller): void
}

/** Listens on a socket path; resolves when other processes can connect. */
export async function openReception(socketPath: string, parts: ReceptionParts): Promise<Reception> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    receive(socket, parts)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(socketPath, () => {
      server.off('error', reject)
      resolve()
    })
  })
  server.on('error', (error) => parts.logger.warn({ error }, 'the local socket of the bus has a problem'))
  return {
    get callers() {
      return sockets.size
    },
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      return closed
    },
  }
}

function receive(socket: Socket, { board, logger, onCaller }: ReceptionParts): void {
  let caller: Caller | undefined

  function put(head: Head, body?: string): void {
    if (socket.destroyed) return
    socket.write(encodeFrame(head, body))
    if (socket.writableLength > MOST_UNSENT_BYTES) cut('it does not read the answers to its questions')
  }

  function cut(why: string): void {
    logger.warn({ peer: caller?.id, why }, 'a process on the local socket of the bus was cut off')
    socket.destroy()
  }

  function received({ head, body }: Frame): void {
    if (head.is === 'hello') greet(head)
    else if (caller === undefined) cut('it did not say hello')
    else if (head.is === 'message') board.arrived(head.subject, body)
    else if (head.is === 'question') answer(head.number, head.subject, body)
  }

  function greet(hello: Extract<Head, { is: 'hello' }>): void {
    if (hello.protocol !== PROTOCOL) {
      cut(`it speaks version ${hello.protocol} of the bus, not ${PROTOCOL}`)
      return
    }
    caller = { id: hello.id, socket: hello.socket }
    onCaller(caller)
    put({ is: 'welcome' })
  }

  function answer(number: number, subject: string, body: string): void {
    const answering = board.questioned(subject, body)
    if (!answering) put({ is: 'nobody', number })
    answering?.then((text) => {
      if (text !== undefined) put({ is: 'answer', number }, text)
    })
  }

  const read = frameReader(received)
  socket.on('data', (piece) => {
    try {
      read(piece)
    } catch (error) {
      cut(messageOf(error))
    }
  })
  // What follows an error is `close`; a process that was killed is nothing to report.
  socket.on('error', () => {})
}
