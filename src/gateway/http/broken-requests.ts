/** What is answered to what never became a request: it was not whole in time, its head is too long, or it is no HTTP. */

import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Problem } from '../../api/index.ts'
import { invalid, PROBLEM_TYPE, problemOf } from './problems.ts'

/** Answers over the bare socket and closes it. Whoever has gone already is told nothing. */
export function refuseBroken(error: NodeJS.ErrnoException, socket: Socket, id: string): void {
  if (error.code !== 'ECONNRESET' && socket.writable) socket.write(responseOf(problemFor(error), id))
  socket.destroy(error)
}

function problemFor({ code }: NodeJS.ErrnoException): Problem {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return problemOf(invalid('This request was not sent to its end in time. Send it again, faster.'), 408)
    case 'HPE_HEADER_OVERFLOW':
      return problemOf(invalid('The headers of this request are too long. Send fewer, or shorter ones.'), 431)
    default:
      return problemOf(invalid('This is not a request as HTTP has it.'))
  }
}

function responseOf(problem: Problem, id: string): string {
  const body = JSON.stringify({ ...problem, instance: id })
  return [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    '',
    body,
  ].join('\r\n')
}
