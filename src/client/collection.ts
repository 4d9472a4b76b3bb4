/** What is defined by name: the same few routes for each kind. */

import type { Page } from '../api/index.ts'
import { type Rest, segment } from './rest.ts'

/** A name, or the names that lead to it: `flow/name`, `pool/queue`. */
export type Name = string | readonly [string, string]

/** `Shown` is how one looks, `Given` what it is made of. */
export class Collection<Shown, Given> {
  readonly #rest: Rest
  readonly #path: string

  constructor(rest: Rest, path: string) {
    this.#rest = rest
    this.#path = path
  }

  list(query: object = {}): Promise<Page<Shown>> {
    return this.#rest.ask('GET', this.#path, { query })
  }

  all(query: object = {}): AsyncGenerator<Shown, void> {
    return this.#rest.pages(this.#path, query)
  }

  get(name: Name): Promise<Shown> {
    return this.#rest.ask('GET', this.#at(name))
  }

  /** @throws GatewayError with `CB_E_CATALOG_EXISTS` when the name is taken */
  create(given: Given): Promise<Shown> {
    return this.#rest.ask('POST', this.#path, { body: given })
  }

  /** Makes it, or puts it in the place of what is there. */
  put(name: Name, given: Given): Promise<Shown> {
    return this.#rest.ask('PUT', this.#at(name), { body: given })
  }

  /** Changes what is given and leaves the rest. */
  update(name: Name, changes: Partial<Given>): Promise<Shown> {
    return this.#rest.ask('PATCH', this.#at(name), { body: changes })
  }

  pause(name: Name): Promise<Shown> {
    return this.act(name, 'pause')
  }

  resume(name: Name): Promise<Shown> {
    return this.act(name, 'resume')
  }

  async delete(name: Name): Promise<void> {
    await this.#rest.ask('DELETE', this.#at(name))
  }

  /** Has something done with it. */
  protected act<T>(name: Name, what: string, body?: object): Promise<T> {
    return this.#rest.ask('POST', `${this.#at(name)}/${what}`, body === undefined ? {} : { body })
  }

  #at(name: Name): string {
    const parts = typeof name === 'string' ? [name] : name
    return `${this.#path}/${parts.map(segment).join('/')}`
  }
}
