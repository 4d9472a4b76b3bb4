/**
 * What the client takes from the browser, or from Node: the clock, randomness, `fetch`, the socket, and whether anybody is
 * looking. The only file of this room that asks the machine; tests give another one.
 */

/** The part of the standard `WebSocket` that is used. */
export interface LiveSocket {
  send(text: string): void
  close(code?: number, reason?: string): void
  onopen: (() => void) | null
  onmessage: ((message: { readonly data: unknown }) => void) | null
  onclose: ((closed: { readonly code: number; readonly reason: string }) => void) | null
}

export interface Platform {
  /** Milliseconds that never go back. */
  monotonic(): number
  /** In [0, 1). */
  random(): number
  /** Calls `fn` once, after `ms`; what it gives calls that off. */
  setTimer(ms: number, fn: () => void): () => void
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
  openSocket(url: string, protocol: string): LiveSocket
  isHidden(): boolean
  /** Calls `listener` when the page is hidden or shown; what it gives ends that. */
  onVisibility(listener: () => void): () => void
  /** Where the page came from; undefined outside of a browser. */
  readonly origin: string | undefined
}

/** The part of a page that is used; Node has none. */
interface Page {
  readonly hidden: boolean
  addEventListener(name: 'visibilitychange', listener: () => void): void
  removeEventListener(name: 'visibilitychange', listener: () => void): void
}

const surroundings: object & { readonly document?: Page; readonly location?: { readonly origin: string } } =
  globalThis
const page = surroundings.document

/** The browser, or Node. */
export const thisPlatform: Platform = {
  monotonic: () => performance.now(),
  random: () => Math.random(),
  setTimer(ms, fn) {
    const timer = setTimeout(fn, ms)
    return () => clearTimeout(timer)
  },
  fetch: (url, init) => fetch(url, init),
  openSocket: (url, protocol) => quietSocket(url, protocol),
  isHidden: () => page?.hidden ?? false,
  onVisibility(listener) {
    page?.addEventListener('visibilitychange', listener)
    return () => page?.removeEventListener('visibilitychange', listener)
  },
  origin: surroundings.location?.origin,
}

/** A connection that fails is told by `close`, with a code; `error` comes before it and says nothing more. */
function quietSocket(url: string, protocol: string): LiveSocket {
  const socket = new WebSocket(url, protocol)
  const quiet: LiveSocket = {
    onopen: null,
    onmessage: null,
    onclose: null,
    send: (text) => socket.send(text),
    close: (code, reason) => socket.close(code, reason),
  }
  socket.onopen = () => quiet.onopen?.()
  socket.onmessage = ({ data }: { readonly data: unknown }) => quiet.onmessage?.({ data })
  socket.onerror = () => {}
  socket.onclose = ({ code, reason }: { readonly code: number; readonly reason: string }) =>
    quiet.onclose?.({ code, reason })
  return quiet
}

/** A key that nobody else makes: 128 random bits. For idempotency, not for secrets. */
export function newKey(platform: Pick<Platform, 'random'>): string {
  const byte = () => Math.floor(platform.random() * 256)
  return Array.from({ length: 16 }, () => byte().toString(16).padStart(2, '0')).join('')
}
