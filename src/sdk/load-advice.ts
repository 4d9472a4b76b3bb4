/** What to do about a file that Node would not load, where Node's own words leave that open. */

import { access, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../core/index.ts'

/** One sentence, or undefined when there is nothing to add. */
export async function loadAdvice(thrown: unknown): Promise<string | undefined> {
  if (!(thrown instanceof Error)) return undefined
  switch (Reflect.get(thrown, 'code')) {
    case 'ERR_MODULE_NOT_FOUND':
    case 'ERR_UNSUPPORTED_DIR_IMPORT':
      return aboutMissing(thrown)
    case 'MODULE_NOT_FOUND':
      return INSTALL
    case 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX':
      return 'Node runs TypeScript by leaving out its types, and this is more than a type: write it in plain JavaScript ("erasableSyntaxOnly" in tsconfig.json shows all such places).'
    case 'ERR_UNKNOWN_FILE_EXTENSION':
      return 'Node runs .ts, .mts, .js and .mjs.'
    default:
      return thrown instanceof SyntaxError ? aboutSyntax(thrown) : undefined
  }
}

const INSTALL = 'Install it where the code runs.'

async function aboutMissing(error: Error): Promise<string | undefined> {
  const url: unknown = Reflect.get(error, 'url')
  if (typeof url !== 'string')
    return /package '(@\/|~)/.test(messageOf(error))
      ? 'Node does not know the "paths" of a tsconfig.json: give a relative path, or an alias in "imports" of package.json.'
      : INSTALL
  const path = fileURLToPath(url)
  const candidates = [
    ...['.ts', '.mts', '.js', '.mjs'].map((ending) => `${path}${ending}`),
    path.replace(/\.([mc]?)js$/, '.$1ts'),
    ...['index.ts', 'index.js'].map((file) => join(path, file)),
  ]
  for (const candidate of candidates)
    if (candidate !== path && (await isThere(candidate)))
      return `Name the file with its ending, as it is there: ${basename(dirname(candidate))}/${basename(candidate)}.`
  return undefined
}

async function aboutSyntax({ message, stack = '' }: Error): Promise<string | undefined> {
  if (/does not provide an export named/.test(message))
    return 'If that is a type, import it as one: import type { … }.'
  if (!/outside a module|Unexpected token 'export'/.test(message)) return undefined
  const file = /^(.+):\d+$/m.exec(stack)?.[1]
  const manifest = file && (await nearestManifest(dirname(file)))
  return manifest && `Write "type": "module" into ${manifest}, or end the name of the file in .mts.`
}

/** The package.json that says what kind of modules the files of a folder are. */
async function nearestManifest(folder: string): Promise<string | undefined> {
  const path = join(folder, 'package.json')
  if (await readFile(path).catch(() => undefined)) return path
  const above = dirname(folder)
  return above === folder ? undefined : nearestManifest(above)
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
