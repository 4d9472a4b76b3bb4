/** What one connection may take, and how much may wait for it. */

export interface LiveLimits {
  /** A bounded buffer per connection: so many bytes and frames may wait for it. */
  readonly bufferBytes: number
  readonly bufferFrames: number
  /** Above this, nothing more is handed to the connection until it has taken some. */
  readonly highWaterBytes: number
  /** A connection that takes nothing for this long is slow; until then more may wait. */
  readonly slowAfterMs: number
  /** A subscription that fell behind may be behind for this long before it skips to what holds now. */
  readonly behindForMs: number
  /** A subscription that begins with what holds now waits for the read model to come to where the log is for so long. */
  readonly pictureWithinMs: number
  /** Subscriptions of one socket. */
  readonly subscriptions: number
  /** Frames a client may send: so many at once, and so many a second in the long run. */
  readonly burst: number
  readonly framesPerSecond: number
  /** The largest frame a client may send. */
  readonly frameBytes: number
  /** A client that sent no Authorization header has this long to show a token. */
  readonly authWithinMs: number
  /** How often a connection is asked whether it is alive; two questions without an answer end it. */
  readonly heartbeatMs: number
}

export const LIVE_LIMITS: LiveLimits = {
  bufferBytes: 1024 * 1024,
  bufferFrames: 10_000,
  highWaterBytes: 256 * 1024,
  slowAfterMs: 1_000,
  behindForMs: 5_000,
  pictureWithinMs: 5_000,
  subscriptions: 100,
  burst: 200,
  framesPerSecond: 50,
  frameBytes: 1024 * 1024,
  authWithinMs: 5_000,
  heartbeatMs: 15_000,
}
