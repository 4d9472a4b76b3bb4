/** What runs left for people. */

import type { Artifact, ArtifactQuery, Page } from '../api/index.ts'
import { type Rest, segment } from './rest.ts'

export class Artifacts {
  readonly #rest: Rest

  constructor(rest: Rest) {
    this.#rest = rest
  }

  /** Newest first. Artifacts of one key are versions of one thing; with `latest` only the newest of each key. */
  list(query: ArtifactQuery = {}): Promise<Page<Artifact>> {
    return this.#rest.ask('GET', PATH, { query })
  }

  /** All that the filter finds, page by page. */
  all(query: Omit<ArtifactQuery, 'cursor'> = {}): AsyncGenerator<Artifact, void> {
    return this.#rest.pages(PATH, query)
  }

  get(id: string): Promise<Artifact> {
    return this.#rest.ask('GET', `${PATH}/${segment(id)}`)
  }

  /** The newest of a key, of all runs or of those that the filter finds; undefined when there is none. */
  async latest(
    key: string,
    filter: Pick<ArtifactQuery, 'flow' | 'run' | 'task'> = {},
  ): Promise<Artifact | undefined> {
    const { items } = await this.list({ ...filter, key, limit: 1 })
    return items[0]
  }
}

const PATH = '/api/v1/artifacts'
