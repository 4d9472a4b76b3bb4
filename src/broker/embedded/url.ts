/**
 * The URLs of this driver, `embedded:<folder>[?option=value…]` and `memory:[name]`. The folder is written as it is,
 * not percent-encoded; a relative one is below the current folder.
 */

import { resolve } from 'node:path'
import { CallboardError, nearest, parseSize, quote, SIZE_FORM } from '../../core/index.ts'
import type { StoreOptions, Synchronous } from './store/index.ts'

export type Target =
  | { readonly is: 'folder'; readonly dir: string; readonly options: StoreOptions }
  /** Without a name the place is this broker's alone. */
  | { readonly is: 'memory'; readonly name: string }

const OPTIONS = ['max_bytes', 'synchronous'] as const
type Option = (typeof OPTIONS)[number]

const SYNCHRONOUS: readonly Synchronous[] = ['full', 'normal']
/** Less does not hold the empty tables. */
const SMALLEST_STORE = 256 * 1024

/** @throws CB_E_BROKER_URL, CB_E_URL_OPTION */
export function parseTarget(url: string): Target {
  const [, scheme, path = '', query = ''] = /^(embedded|memory):([^?]*)(?:\?(.*))?$/s.exec(url) ?? []
  if (scheme === 'memory') return { is: 'memory', name: memoryName(path, query) }
  if (scheme !== 'embedded' || path === '' || /^\/\/[^/]/.test(path))
    throw new CallboardError(
      'CB_E_BROKER_URL',
      `${quote(url)} names no folder. Write embedded:/path/of/a/folder, or embedded:folder for one below the current folder.`,
    )
  const given = optionsOf(query)
  const options = { synchronous: synchronousOf(given), maxBytes: maxBytesOf(given) }
  return { is: 'folder', dir: resolve(path), options }
}

function memoryName(path: string, query: string): string {
  if (query !== '')
    throw new CallboardError('CB_E_URL_OPTION', 'memory: takes no options. Leave out what follows "?".')
  if (/^[\w.-]*$/.test(path)) return path
  throw new CallboardError(
    'CB_E_BROKER_URL',
    `${quote(path)} cannot be the name of a place in memory. Write memory: or memory:name.`,
  )
}

function optionsOf(query: string): ReadonlyMap<Option, string> {
  const options = new Map<Option, string>()
  for (const [name, value] of new URLSearchParams(query)) {
    if (!isOption(name)) {
      const near = nearest(name, OPTIONS)
      throw new CallboardError(
        'CB_E_URL_OPTION',
        `The broker URL has an option ${quote(name)}, which is unknown. ${near ? `Did you mean ${near}?` : `Known are ${OPTIONS.join(' and ')}.`}`,
      )
    }
    options.set(name, value)
  }
  return options
}

function isOption(name: string): name is Option {
  return OPTIONS.some((option) => option === name)
}

function synchronousOf(options: ReadonlyMap<Option, string>): Synchronous {
  const given = options.get('synchronous') ?? 'full'
  const found = SYNCHRONOUS.find((mode) => mode === given)
  return found ?? refuse('synchronous', given, '"full" (the default) or "normal"')
}

function maxBytesOf(options: ReadonlyMap<Option, string>): number | undefined {
  const given = options.get('max_bytes')
  if (given === undefined) return undefined
  const bytes = parseSize(given)
  if (bytes !== undefined && bytes >= SMALLEST_STORE) return bytes
  return refuse('max_bytes', given, `at least 256KiB: ${SIZE_FORM}`)
}

function refuse(option: Option, value: string, allowed: string): never {
  throw new CallboardError(
    'CB_E_URL_OPTION',
    `The option ${option} of the broker URL is ${quote(value)}. Give ${allowed}.`,
  )
}
