/** Requests to the gateway's REST side: one function under all of them. */

import type { Page, Problem } from '../api/index.ts'
import { GatewayError } from './errors.ts'
import type { Platform } from './platform.ts'

export interface RestOptions {
  /** Where the gateway is, without a slash at the end. */
  readonly base: string
  readonly token: () => Promise<string | undefined>
  readonly platform: Platform
}

export interface RequestOptions {
  /** Values that are undefined are left out; of a list each value is given. */
  readonly query?: object | undefined
  readonly body?: unknown
  /** Statuses that are answers although they are no successes. */
  readonly answers?: readonly number[]
  readonly signal?: AbortSignal | undefined
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export class Rest {
  readonly #options: RestOptions

  constructor(options: RestOptions) {
    this.#options = options
  }

  /**
   * What the gateway answers, trusted to be what its API says; undefined when it answers nothing.
   *
   * @throws GatewayError
   */
  async ask<T>(
    method: Method,
    path: string,
    { query, body, answers = [], signal }: RequestOptions = {},
  ): Promise<T> {
    const { base, platform } = this.#options
    const url = `${base}${path}${queryText(query)}`
    const response = await platform
      .fetch(url, {
        method,
        headers: await this.#headers(body !== undefined),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      })
      .catch((cause: unknown) => {
        if (signal?.aborted) throw cause
        throw new GatewayError(
          `The gateway at ${base} cannot be reached. Check that it runs (callboard server start, or callboard dev) and its address.`,
          { code: 'UNREACHABLE', cause },
        )
      })
    const text = await response.text()
    if (!response.ok && !answers.includes(response.status)) throw refusal(url, response, text)
    return parsed(url, text) as T
  }

  /** All items of a list, page by page as they are needed. */
  async *pages<T>(path: string, query: object | undefined, signal?: AbortSignal): AsyncGenerator<T, void> {
    let cursor: string | undefined
    do {
      const asked = { ...query, ...(cursor === undefined ? {} : { cursor }) }
      const page: Page<T> = await this.ask('GET', path, { query: asked, signal })
      yield* page.items
      cursor = page.next
    } while (cursor !== undefined)
  }

  async #headers(hasBody: boolean): Promise<Record<string, string>> {
    const token = await this.#options.token()
    return {
      accept: 'application/json',
      ...(hasBody ? { 'content-type': 'application/json' } : {}),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    }
  }
}

/** A part of a path. */
export function segment(text: string): string {
  return encodeURIComponent(text)
}

function queryText(query: object = {}): string {
  const pairs = Object.entries(query).flatMap(([name, value]: [string, unknown]) =>
    (Array.isArray(value) ? value : [value])
      .filter((one) => one !== undefined)
      .map((one): [string, string] => [name, String(one)]),
  )
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`
}

function parsed(url: string, text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new GatewayError(`What answers at ${url} is no Callboard gateway: its answer is no JSON.`, {
      code: 'PROTOCOL',
      cause,
    })
  }
}

function refusal(url: string, { status, headers }: Response, text: string): GatewayError {
  const retryAfter = Number(headers.get('retry-after') ?? Number.NaN)
  const retryAfterMs = Number.isFinite(retryAfter) ? retryAfter * 1000 : undefined
  const problem = problemIn(text)
  if (problem === undefined)
    return new GatewayError(`${url} answered with status ${status}.`, { code: 'HTTP', status, retryAfterMs })
  const { code, detail, errors } = problem
  return new GatewayError(detail, {
    code,
    status,
    errors,
    retryAfterMs: problem.retryAfterMs ?? retryAfterMs,
  })
}

function problemIn(text: string): Problem | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const isProblem =
      typeof value === 'object' && value !== null && 'code' in value && 'detail' in value && 'status' in value
    return isProblem ? (value as Problem) : undefined
  } catch {
    return undefined
  }
}
