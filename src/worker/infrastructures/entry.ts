/** Where the programs of the code side are. They are started, never imported. */

import { extname } from 'node:path'

export function codeEntry(program: 'guard' | 'process' | 'thread'): URL {
  return new URL(`./code/${program}-entry${extname(import.meta.filename)}`, import.meta.url)
}
