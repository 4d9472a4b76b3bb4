/** Values as they are written on a command line. */

import { InvalidArgumentError } from '@commander-js/extra-typings'
import { DURATION_FORM, messageOf, parseDuration } from '../../core/index.ts'

export type Parameters = Readonly<Record<string, unknown>>

/** For `-p key=value`, given any number of times. A value that is JSON is that, any other is a text. */
export function keyValue(text: string, before: Parameters = {}): Parameters {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Write it as key=value.')
  return { ...before, [text.slice(0, at)]: jsonOrText(text.slice(at + 1)) }
}

export function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

export function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new InvalidArgumentError(`It is no JSON: ${messageOf(error)}.`)
  }
}

export function jsonObject(text: string): Parameters {
  const value = json(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InvalidArgumentError('It has to be a JSON object.')
  return value as Parameters
}

/** For an option that may be given several times. */
export function several(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}

export function count(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('It has to be a whole number.')
  return value
}

export function amount(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('It has to be a number, not below 0.')
  return value
}

/** Milliseconds. */
export function duration(text: string): number {
  try {
    return parseDuration(/^\d+(\.\d+)?$/.test(text) ? `${text}s` : text)
  } catch {
    throw new InvalidArgumentError(`Write ${DURATION_FORM}; a number alone is seconds.`)
  }
}

/** An ISO time, or a duration ago: `2h` is two hours ago. */
export function timeBefore(now: number): (text: string) => string {
  return (text) => {
    const at = Date.parse(text)
    if (!Number.isNaN(at) && /\d{4}/.test(text)) return new Date(at).toISOString()
    return new Date(now - duration(text)).toISOString()
  }
}
