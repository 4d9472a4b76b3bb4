/** A flow as a file defines it, as plain data. */

import type { Deployment, Draft } from '../../catalog/index.ts'
import type { Failure } from './failure.ts'

export interface DescribedFlow {
  /** Absolute. */
  readonly file: string
  readonly exported: string
  /** The deployment it would be. */
  readonly draft: Draft<Deployment>
}

/** What the describing program answers. */
export type Description =
  | { readonly is: 'flows'; readonly flows: readonly DescribedFlow[] }
  | { readonly is: 'failure'; readonly failure: Failure }
