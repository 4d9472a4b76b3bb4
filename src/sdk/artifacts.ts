/** Things for people that belong to a run. */

import { CallboardError, encodeToJson, type JsonObject, quote } from '../core/index.ts'
import { anyText, checkOptions, type OptionKind, oneOf, text } from './check-options.ts'
import { markOf } from './mark.ts'
import { scopeFor } from './scope.ts'

interface Common {
  /** Artifacts of one key are versions of one thing. */
  readonly key?: string
  readonly description?: string
}

/** Something for people that belongs to the run. */
export type Artifact = Common &
  (
    | { readonly kind: 'markdown'; readonly markdown: string }
    | { readonly kind: 'table'; readonly table: readonly Readonly<Record<string, unknown>>[] }
    | { readonly kind: 'link'; readonly link: string; readonly text?: string }
    | { readonly kind: 'image'; readonly url: string }
    | { readonly kind: 'progress'; readonly progress: number }
  )

type Fields = Readonly<Record<string, OptionKind>>

const rows: OptionKind = {
  form: 'a list of objects, one for each row',
  is: (value) => Array.isArray(value) && value.every((row) => typeof row === 'object' && row !== null),
}
const percent: OptionKind = {
  form: 'a number from 0 to 100',
  is: (value) => typeof value === 'number' && value >= 0 && value <= 100,
}

/** What each kind must have, and what it may have. */
const KINDS: Readonly<Record<Artifact['kind'], { readonly needs: Fields; readonly may?: Fields }>> = {
  markdown: { needs: { markdown: anyText } },
  table: { needs: { table: rows } },
  link: { needs: { link: text }, may: { text: anyText } },
  image: { needs: { url: text } },
  progress: { needs: { progress: percent } },
}

/**
 * Keeps an artifact with the run: a text, a table, a link, an image, a progress in percent. In a flow's own code it is
 * kept once, however often that code runs from the top, unless it has come to say something else.
 *
 * @throws CB_E_CONTEXT_MISSING outside of a run; CB_E_OPTION_INVALID, CB_E_OPTION_UNKNOWN for what is no artifact;
 * CB_E_VALUE_UNSERIALISABLE
 */
export async function createArtifact(artifact: Artifact): Promise<void> {
  const { flow, task } = scopeFor('createArtifact()')
  checkArtifact(artifact)
  const data = encodeToJson(artifact, 'artifact') as JsonObject
  const name = `artifact:${artifact.key ?? artifact.kind}`
  await flow.session.note(
    'artifact',
    data,
    task === undefined ? { once: { name, mark: markOf(JSON.stringify(data)) } } : { task: task.id },
  )
}

function checkArtifact(artifact: Artifact): void {
  if (typeof artifact !== 'object' || artifact === null)
    throw new CallboardError(
      'CB_E_OPTION_INVALID',
      `createArtifact() was given ${quote(artifact)}. Give an object with a kind: { kind: 'markdown', markdown: '# Done' }.`,
    )
  const kind = oneOf(...Object.keys(KINDS))
  if (!kind.is(artifact.kind))
    throw new CallboardError(
      'CB_E_OPTION_INVALID',
      `The kind of an artifact is ${quote(artifact.kind)}. Give ${kind.form}.`,
      { details: { option: 'kind' } },
    )
  const { may = {}, needs } = KINDS[artifact.kind]
  const what = `an artifact of kind '${artifact.kind}'`
  checkOptions(what, artifact, { kind, key: text, description: anyText, ...needs, ...may })
  const given = new Map<string, unknown>(Object.entries(artifact))
  for (const [field, { form }] of Object.entries(needs))
    if (given.get(field) === undefined)
      throw new CallboardError('CB_E_OPTION_INVALID', `There is no ${field} in ${what}. Give ${form}.`, {
        details: { option: field },
      })
}
