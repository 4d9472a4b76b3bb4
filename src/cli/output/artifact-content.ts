/** What is in an artifact, as people read it. What is not as its kind has it is shown as it is. */

import { stripVTControlCharacters } from 'node:util'
import type { Artifact } from '../../client/index.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../core/index.ts'
import { oneLine } from './format.ts'

export type ArtifactContent =
  | { readonly is: 'text'; readonly text: string }
  /** As tagged JSON: `decodeJson` makes values of it. */
  | { readonly is: 'rows'; readonly rows: readonly JsonObject[] }
  | { readonly is: 'link'; readonly url: string; readonly text: string | undefined }
  | { readonly is: 'image'; readonly url: string }
  /** 0 to 100. */
  | { readonly is: 'progress'; readonly percent: number }
  | { readonly is: 'other'; readonly data: JsonObject }

export interface ReadArtifact {
  readonly description: string | undefined
  readonly content: ArtifactContent
}

export function readArtifact({ data: stored, kind }: Pick<Artifact, 'data' | 'kind'>): ReadArtifact {
  const { description, ...data } = stored as JsonObject
  return { description: textIn(description), content: contentOf(kind, data) }
}

function contentOf(kind: string, data: JsonObject): ArtifactContent {
  const { link, markdown, progress, table, url } = data
  if (kind === 'markdown' && typeof markdown === 'string') return { is: 'text', text: markdown }
  if (kind === 'table' && isRows(table)) return { is: 'rows', rows: table }
  if (kind === 'link' && typeof link === 'string') return { is: 'link', url: link, text: textIn(data.text) }
  if (kind === 'image' && typeof url === 'string') return { is: 'image', url }
  if (kind === 'progress' && typeof progress === 'number') return { is: 'progress', percent: progress }
  return { is: 'other', data }
}

function textIn(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function isRows(value: JsonValue | undefined): value is readonly JsonObject[] {
  return Array.isArray(value) && value.every(isJsonObject)
}

const LONGEST_SUMMARY = 60

/** One short line: what it says of itself, or how it begins. */
export function artifactSummary(artifact: Pick<Artifact, 'data' | 'kind'>): string {
  const { content, description } = readArtifact(artifact)
  switch (content.is) {
    case 'rows':
      return shortened(joined(countText(content.rows), description))
    case 'progress':
      return shortened(joined(percentText(content.percent), description))
    case 'text':
      return shortened(description ?? firstLine(content.text))
    case 'link':
      return shortened(joined(description ?? content.text, content.url))
    case 'image':
      return shortened(joined(description, content.url))
    case 'other':
      return shortened(description ?? oneLine(artifact.data))
  }
}

export function percentText(percent: number): string {
  return `${Number(percent.toFixed(1))}%`
}

/** A value in a table; nothing where there is nothing. A colour of its own would run into the next column. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'string') return stripVTControlCharacters(value)
  if (typeof value !== 'object') return String(value)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
  if (value instanceof URL || value instanceof Error || value instanceof RegExp) return String(value)
  return JSON.stringify(value, readable)
}

/** What JSON has no form for. */
function readable(_: string, part: unknown): unknown {
  if (typeof part === 'bigint') return String(part)
  return part instanceof Map || part instanceof Set ? [...part] : part
}

function countText({ length }: readonly JsonObject[]): string {
  return length === 1 ? '1 row' : `${length} rows`
}

/** Of a heading, what it says. */
function firstLine(markdown: string): string {
  const line = markdown.split('\n').find((one) => one.trim() !== '') ?? ''
  return line.replace(/^#+ /, '').trim()
}

function joined(...parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join(', ')
}

function shortened(text: string): string {
  const line = stripVTControlCharacters(text).replaceAll(/\s+/g, ' ').trim()
  return line.length > LONGEST_SUMMARY ? `${line.slice(0, LONGEST_SUMMARY - 1)}…` : line
}
