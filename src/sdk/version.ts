/** The version of a flow that names none: a hash of the file that defines it. */

import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const versions = new Map<string, string | undefined>()

/** Undefined when the file is not known or cannot be read. */
export function fileVersion(file: string | undefined): string | undefined {
  if (file === undefined) return undefined
  if (!versions.has(file)) versions.set(file, hashOf(file))
  return versions.get(file)
}

function hashOf(file: string): string | undefined {
  try {
    return hash('sha256', readFileSync(file)).slice(0, 12)
  } catch {
    return undefined
  }
}

const HERE = import.meta.dirname

/** The file of the nearest caller outside of this room. */
export function callingFile(): string | undefined {
  const holder: { stack?: string } = {}
  Error.captureStackTrace(holder, callingFile)
  for (const line of holder.stack?.split('\n').slice(1) ?? []) {
    const [, url] = /\(?((?:file:\/\/)?\/[^()]*?|[A-Za-z]:\\[^()]*?):\d+:\d+\)?$/.exec(line) ?? []
    if (url === undefined) continue
    const path = url.startsWith('file://') ? fileURLToPath(url) : url
    if (!path.startsWith(HERE)) return path
  }
  return undefined
}
