/** Which Callboard this is. */

import { readFileSync } from 'node:fs'

let known: string | undefined

/** The version of this package, `1.2.3`. */
export function packageVersion(): string {
  known ??= readVersion()
  return known
}

function readVersion(): string {
  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  )
  return manifest.version
}
