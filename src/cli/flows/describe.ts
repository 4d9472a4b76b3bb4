/** What flows there are in files. */

import { fork } from 'node:child_process'
import { relative, resolve } from 'node:path'
import type { Deployment, Draft } from '../../catalog/index.ts'
import type { DescribedFlow, Description } from './described.ts'
import { errorOf } from './failure.ts'
import { programBeside } from './program-beside.ts'

const PROGRAM = programBeside(import.meta.url, 'describe-entry')

/**
 * The flows that the files export, in a process of their own.
 *
 * @throws CB_E_CODE_MISSING; CB_E_CODE_LOAD when a file cannot be loaded, or there is no flow in any of them; CommandFailure
 *   when loading them ends the process
 */
export async function describeFlows(
  files: readonly string[],
  folder: string,
): Promise<readonly DescribedFlow[]> {
  const paths = files.map((file) => resolve(folder, file))
  const description = await askFor(paths, folder)
  if (description.is === 'failure') throw errorOf(description.failure)
  return description.flows
}

function askFor(paths: readonly string[], cwd: string): Promise<Description> {
  const child = fork(PROGRAM, paths, { cwd, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let said = ''
  child.stderr?.on('data', (text) => {
    said = `${said}${text}`.slice(-4_000)
  })
  return new Promise((answered) => {
    let answer: Description | undefined
    child.once('message', (message: Description) => {
      answer = message
    })
    child.once('close', (code) =>
      answered(
        answer ?? {
          is: 'failure',
          failure: { code: undefined, message: `The file ended the process with code ${code}.\n${said}` },
        },
      ),
    )
  })
}

type Overrides = Partial<
  Pick<
    Draft<Deployment>,
    'parameters' | 'infrastructure' | 'description' | 'limit' | 'limitStrategy' | 'pool' | 'queue'
  >
>

/** What a deployment has besides its flow. */
export interface DeploymentPlace extends Overrides {
  readonly name: string
  /** The folder of the code, as the workers see it. */
  readonly path: string
  readonly tags?: readonly string[]
}

/** The deployment that a flow of a file becomes. */
export function deploymentOf(
  { file, exported, draft }: DescribedFlow,
  place: DeploymentPlace,
): Draft<Deployment> {
  const { tags = [], ...rest } = place
  return {
    ...draft,
    ...rest,
    tags: [...new Set([...draft.tags, ...tags])],
    entrypoint: `${relative(place.path, file)}:${exported}`,
  }
}
