/**
 * The engine that flows called outside of any run are run by: the one a test kit has put in, else one of this
 * process's own, opened when it is first needed and closed when nothing runs.
 */

import type { Engine } from './engine.ts'

let opened: Promise<Engine> | undefined
let putIn: Engine | undefined

/** Loads the engine's parts when it is first asked: importing `callboard` is cheap. */
export async function currentEngine(): Promise<Engine> {
  if (putIn !== undefined) return putIn
  opened ??= openLocal()
  return opened
}

/** Runs everything on this engine until what it gives is called. */
export function useEngine(engine: Engine): () => void {
  const before = putIn
  putIn = engine
  return () => {
    if (putIn === engine) putIn = before
  }
}

async function openLocal(): Promise<Engine> {
  try {
    const { openLocalEngine } = await import('./local-engine.ts')
    return await openLocalEngine(() => {
      opened = undefined
    })
  } catch (error) {
    opened = undefined
    throw error
  }
}
