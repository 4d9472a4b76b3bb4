/** Why the gateway ends a connection, as its client learns it. */

export const CLOSE = {
  NO_FRAME: { code: 4400, reason: 'that was not a frame' },
  NOT_KNOWN: { code: 4401, reason: 'not authenticated' },
  NOT_ALLOWED: { code: 4403, reason: 'not allowed' },
  NO_AUTH: { code: 4408, reason: 'no auth frame in time' },
  TOO_MANY: { code: 4409, reason: 'too many subscriptions' },
  TOO_LARGE: { code: 4413, reason: 'frame too large' },
  TOO_FAST: { code: 4429, reason: 'too many frames' },
  BROKEN: { code: 1011, reason: 'something went wrong here: come back with your cursors' },
  RESTARTING: { code: 1012, reason: 'gateway restarting: come back with your cursors' },
} as const satisfies Readonly<Record<string, { readonly code: number; readonly reason: string }>>

export type Closing = keyof typeof CLOSE
