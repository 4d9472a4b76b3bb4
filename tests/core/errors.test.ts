import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import {
  assertNever,
  CallboardError,
  ERRORS,
  type ErrorCode,
  type ErrorRow,
  isCallboardError,
  isErrorCode,
  isRetryable,
  messageOf,
} from '../../src/core/index.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const rows: [code: string, row: ErrorRow][] = Object.entries(ERRORS)
const codes = rows.map(([code]) => code)

/** Codes in sources outside the table: wherever they stand, and where they do something (as a text literal). */
const mentioned = new Set<string>()
const used = new Set<string>()
for (const path of globSync('src/**/*.ts', { cwd: ROOT })) {
  if (path.endsWith('core/error-table.ts')) continue
  for (const [, quote, code = ''] of readFileSync(ROOT + path, 'utf8').matchAll(
    /(['"`]?)\b(CB_E_[A-Z0-9_]+)/g,
  )) {
    mentioned.add(code)
    if (quote !== '') used.add(code)
  }
}

describe('an error of ours', () => {
  const error = new CallboardError('CB_E_BUSY', 'The buffer is full.', { cause: 'x', details: { limit: 5 } })

  it('carries code, kind, status, details and cause', () => {
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      name: 'CallboardError',
      code: 'CB_E_BUSY',
      kind: 'retryable',
      status: 429,
      message: 'The buffer is full.',
      details: { limit: 5 },
      cause: 'x',
    })
  })

  it('has empty details and no cause when none are given', () => {
    const bare = new CallboardError('CB_E_BUG', 'x')
    expect(bare.details).toEqual({})
    expect(Object.hasOwn(bare, 'cause')).toBe(false)
  })

  it('is recognised, also by its code', () => {
    expect(isCallboardError(error)).toBe(true)
    expect(isCallboardError(error, 'CB_E_BUSY')).toBe(true)
    expect(isCallboardError(error, 'CB_E_BUG')).toBe(false)
    expect(isCallboardError(new Error('CB_E_BUSY'))).toBe(false)
    expect(isCallboardError({ code: 'CB_E_BUSY' })).toBe(false)
  })

  it('is worth trying again only when its kind says so', () => {
    expect(isRetryable(error)).toBe(true)
    expect(isRetryable(new CallboardError('CB_E_FENCED', 'x'))).toBe(false)
    expect(isRetryable(new Error('x'))).toBe(false)
  })

  it('is thrown for a case that was forgotten', () => {
    expect(() => Reflect.apply(assertNever, undefined, [{ kind: 'new' }])).toThrow(
      expect.objectContaining({ code: 'CB_E_BUG', message: expect.stringContaining('{"kind":"new"}') }),
    )
  })
})

describe('the text of what was thrown', () => {
  it('is the message of an error and the text of anything else', () => {
    expect([new Error('a'), 'b', 3, null, undefined].map(messageOf)).toEqual([
      'a',
      'b',
      '3',
      'null',
      'undefined',
    ])
  })
})

describe('the table of errors', () => {
  it('is in alphabetical order', () => {
    expect(codes).toEqual(codes.toSorted())
  })

  it.each(rows)('has a code of the right form, a status, a meaning and a remedy: %s', (code, row) => {
    expect(code).toMatch(/^CB_E(_[A-Z][A-Z0-9]*)+$/)
    expect(row.kind).toMatch(/^(terminal|retryable|conflict|unknown)$/)
    expect(row.status).toSatisfy(
      (status: number) => Number.isInteger(status) && status >= 400 && status < 600,
    )
    for (const sentence of [row.meaning, row.remedy]) expect(sentence).toMatch(/^[A-Z].+[.]$/)
  })

  it('has every code that stands in the source', () => {
    expect([...mentioned].filter((code) => !isErrorCode(code))).toEqual([])
  })

  it('has no code that nothing throws', () => {
    expect(codes.filter((code) => !used.has(code))).toEqual([])
  })

  it('is what the reference page says, no more and no less', () => {
    const page = readFileSync(`${ROOT}docs/reference/errors.md`, 'utf8')
    expect([...page.matchAll(/^## (\S+)$/gm)].map(([, code]) => code)).toEqual(codes)
    expect([...page.matchAll(/^<a id="(\S+)"><\/a>$/gm)].map(([, code]) => code)).toEqual(codes)
  })

  it('knows its codes and no others', () => {
    expect(codes.every(isErrorCode)).toBe(true)
    const others: unknown[] = ['CB_E_NEVER', 'toString', '', undefined, 5]
    expect(others.filter(isErrorCode)).toEqual([])
    const code: ErrorCode = 'CB_E_BUG'
    expect(isErrorCode(code)).toBe(true)
  })
})
