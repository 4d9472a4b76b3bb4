/** What the hosting program is told, and what it tells. */

import type { Failure } from './failure.ts'

export type HostOrder =
  /** Run a flow of a file here and end with it. */
  | {
      readonly do: 'run'
      readonly file: string
      /** Undefined: the default export, or the only flow there is. */
      readonly exported: string | undefined
      readonly parameters: Readonly<Record<string, unknown>> | undefined
      readonly name: string | undefined
      readonly tags: readonly string[]
    }
  /** Go on here with a run of one of the file's flows, whose process is gone, and end with it. */
  | { readonly do: 'take-over'; readonly file: string; readonly run: string }
  /** Serve a flow of a file until it is stopped. */
  | {
      readonly do: 'serve'
      readonly file: string
      readonly exported: string | undefined
      readonly name: string
      readonly parameters: Readonly<Record<string, unknown>> | undefined
      readonly limit: number | undefined
    }
  /** Serve the background tasks of files until it is stopped. */
  | { readonly do: 'serve-tasks'; readonly files: readonly string[]; readonly limit: number | undefined }

export type HostReport =
  | { readonly did: 'start'; readonly run: string }
  /** What is served: a deployment, or the names of tasks. */
  | { readonly did: 'serve'; readonly what: readonly string[] }
  | {
      readonly did: 'end'
      readonly state: { readonly type: string; readonly name: string; readonly message: string | undefined }
      /** As JSON; undefined when there is none. */
      readonly result: string | undefined
    }
  | { readonly did: 'fail'; readonly failure: Failure }
