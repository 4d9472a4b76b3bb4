/** How a process that serves is told to end: by a signal; the second one ends it at once. */

const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const

export interface StopSignal extends Disposable {
  /** Resolves with the first signal. */
  readonly came: Promise<keyof typeof SIGNALS>
}

export function stopSignal(): StopSignal {
  const { promise, resolve } = Promise.withResolvers<keyof typeof SIGNALS>()
  let hasCome = false
  const heard = (signal: keyof typeof SIGNALS) => {
    if (hasCome) process.exit(128 + SIGNALS[signal])
    hasCome = true
    resolve(signal)
  }
  const names = Object.keys(SIGNALS) as (keyof typeof SIGNALS)[]
  for (const name of names) process.on(name, heard)
  return {
    came: promise,
    [Symbol.dispose]() {
      for (const name of names) process.off(name, heard)
    },
  }
}
