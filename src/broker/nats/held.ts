/**
 * An item that this process holds for a moment: from its delivery until it is acknowledged, given back, or too old.
 *
 * Invariant (Q4): what was claimed is neither acknowledged nor given back once its time is nearly up. By then the server
 * may have handed it to somebody else, and would take the word of the first for that of the second.
 */

import type { Msg } from '@nats-io/transport-node'
import type { JsonValue } from '../../core/index.ts'
import type { Claimed, Priority } from '../port.ts'
import type { Link } from './link.ts'
import { isAnswered } from './requests.ts'
import { type Delivery, HEADER } from './wire.ts'

export interface Held {
  readonly claimed: Claimed
  /** Its place in the stream. */
  readonly sequence: number
  /** How many more the lane had then. */
  readonly pending: number
}

const ACK = '+ACK'
const NAK = '-NAK'
const TERM = '+TERM'
/** Whoever looks after the consumer may have changed while the word was on its way. */
const SAY_AGAIN_MS = 1_000
/** How much of its time an item may be held. The rest covers the way here and back. */
const USABLE_SHARE = 0.95

/** Undefined when the message is none of ours: it is taken off the queue, with an error in the log. */
export function hold(
  link: Link,
  lane: { readonly queue: string; readonly priority: Priority },
  message: Msg,
  delivery: Delivery,
  claimTimeoutMs: number,
  onRelease: () => void,
): Held | undefined {
  const { clock, logger } = link.deps
  const until = clock.monotonic() + claimTimeoutMs * USABLE_SHARE
  const reply = message.reply ?? ''
  let settled: Promise<void> | undefined

  /** Says so until the server confirms it or the time is up: then the item may come again, and that is all. (Q4) */
  async function say(word: string): Promise<void> {
    while (clock.monotonic() < until) {
      const left = Math.max(1, until - clock.monotonic())
      const answer = await link.ask(reply, word, left, { againMs: SAY_AGAIN_MS })
      if (isAnswered(answer) || answer.unanswered === 'stopped' || answer.unanswered === 'denied') return
      if (!(await link.whenUp(until))) return
    }
  }

  const item = itemOf(message)
  if (item === undefined) {
    logger.error(
      { queue: lane.queue, sequence: delivery.streamSequence },
      'a message that is no item was dropped',
    )
    void say(TERM)
    return undefined
  }
  return {
    sequence: delivery.streamSequence,
    pending: delivery.pending,
    claimed: {
      queue: lane.queue,
      priority: lane.priority,
      id: idOf(lane.queue, message.headers?.get(HEADER.messageId) ?? ''),
      item,
      delivery: delivery.deliveries,
      ack() {
        settled ??= say(ACK)
        return settled
      },
      release() {
        if (!settled) onRelease()
        settled ??= say(NAK)
        return settled
      },
    },
  }
}

function itemOf(message: Msg): JsonValue | undefined {
  try {
    return JSON.parse(message.string())
  } catch {
    return undefined
  }
}

/** Ids are scoped by their queue, and may have characters that a header does not keep. */
export function messageIdOf(queue: string, id: string): string {
  return `${queue}/${encodeURIComponent(id)}`
}

function idOf(queue: string, messageId: string): string {
  const encoded = messageId.slice(queue.length + 1)
  try {
    return decodeURIComponent(encoded)
  } catch {
    return encoded
  }
}
