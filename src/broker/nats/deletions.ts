/** Deleting messages by sequence, oldest first. Purging would be one call, and on servers in the field it moves other consumers past what they have not seen. */

import type { Api } from './api.ts'
import { type FeedOptions, readRange } from './feed.ts'
import type { Link } from './link.ts'

/** How many deletions are under way at a time. */
const AT_ONCE = 16

/**
 * Deletes what matches up to and including sequence `to`; answers how many there were.
 *
 * @throws CB_E_BROKER_UNAVAILABLE; what was not reached is still there, the newest of it for sure
 */
export async function deleteAll(
  link: Link,
  api: Api,
  options: FeedOptions & { readonly to: number },
): Promise<number> {
  let count = 0
  for await (const items of readRange(link, api, { ...options, headersOnly: true })) {
    for (let at = 0; at < items.length; at += AT_ONCE) {
      const group = items.slice(at, at + AT_ONCE)
      await Promise.all(group.map((item) => api.deleteMessage(options.stream, item.delivery.streamSequence)))
    }
    count += items.length
  }
  return count
}
