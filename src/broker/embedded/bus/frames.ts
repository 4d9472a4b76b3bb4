/**
 * What the processes of one machine say to each other over a local socket: frames of a length (four bytes, big
 * endian), then a head (one line of JSON), then the body as it was given (JSON text, not looked into here).
 *
 * Invariants
 * (F1) A frame over `LARGEST_FRAME`, or one whose head is not as below, is a fault of the other side: the reader
 *      throws and the connection is cut.
 */

import { CallboardError } from '../../../core/index.ts'
import { LIMITS } from '../../port.ts'

/** Version of this protocol; a process that speaks another one is not connected to. */
export const PROTOCOL = 1

export type Head =
  /** First frame of whoever dialled: who it is, and where it can be dialled back. */
  | { readonly is: 'hello'; readonly protocol: number; readonly id: string; readonly socket: string }
  /** The answer to it: from here on questions are answered. */
  | { readonly is: 'welcome' }
  | { readonly is: 'message'; readonly subject: string }
  | { readonly is: 'question'; readonly number: number; readonly subject: string }
  | { readonly is: 'answer'; readonly number: number }
  /** Nobody listens here on what question `number` asked. */
  | { readonly is: 'nobody'; readonly number: number }

export interface Frame {
  readonly head: Head
  readonly body: string
}

const LENGTH_BYTES = 4
/** Room for the largest body and its head. */
const LARGEST_FRAME = LIMITS.busMessage + 16 * 1024
const NEWLINE = '\n'

export function encodeFrame(head: Head, body = ''): Buffer {
  const text = JSON.stringify(head) + NEWLINE + body
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + Buffer.byteLength(text))
  frame.writeUInt32BE(frame.length - LENGTH_BYTES)
  frame.write(text, LENGTH_BYTES)
  return frame
}

/**
 * Takes what arrives on a socket, in whatever pieces, and hands on whole frames.
 *
 * @throws CB_E_BUG from the returned function, when the other side does not speak this protocol (F1)
 */
export function frameReader(onFrame: (frame: Frame) => void): (piece: Buffer) => void {
  let pieces: Buffer[] = []
  let bytes = 0
  let wanted = LENGTH_BYTES

  /** Joins what has come only when a frame is whole: a large one costs one copy, not one per piece. */
  function joined(): Buffer {
    const all = pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces)
    pieces = [all]
    return all
  }

  return (piece) => {
    pieces.push(piece)
    bytes += piece.length
    while (bytes >= wanted) {
      const all = joined()
      const length = all.readUInt32BE()
      if (length > LARGEST_FRAME) throw notOurs(`a frame of ${length} bytes`)
      wanted = LENGTH_BYTES + length
      if (bytes < wanted) return
      const frame = parseFrame(all.toString('utf8', LENGTH_BYTES, wanted))
      pieces = [all.subarray(wanted)]
      bytes -= wanted
      wanted = LENGTH_BYTES
      onFrame(frame)
    }
  }
}

function parseFrame(text: string): Frame {
  const end = text.indexOf(NEWLINE)
  const head = end < 0 ? undefined : parseHead(text.slice(0, end))
  if (!head) throw notOurs('a frame with a head that is not known')
  return { head, body: text.slice(end + 1) }
}

function parseHead(text: string): Head | undefined {
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof given !== 'object' || given === null) return undefined
  const head: Readonly<Record<string, unknown>> = { ...given }
  const { is, protocol, id, socket, subject, number } = head
  switch (is) {
    case 'hello':
      return typeof protocol === 'number' && typeof id === 'string' && typeof socket === 'string'
        ? { is, protocol, id, socket }
        : undefined
    case 'welcome':
      return { is }
    case 'message':
      return typeof subject === 'string' ? { is, subject } : undefined
    case 'question':
      return typeof subject === 'string' && typeof number === 'number' ? { is, subject, number } : undefined
    case 'answer':
    case 'nobody':
      return typeof number === 'number' ? { is, number } : undefined
    default:
      return undefined
  }
}

function notOurs(what: string): CallboardError {
  return new CallboardError('CB_E_BUG', `A process on the local socket sent ${what}; it was cut off.`)
}
