/**
 * The secrets in the data of a block. A path, `credentials.token`, means every place that it can mean: a field may have
 * a dot in its name.
 */

import { HIDDEN } from '../core/index.ts'
import type { Block } from './definitions.ts'

type WithSecrets = Pick<Block, 'data' | 'secrets'>

/** The data as anybody may see it: in the place of each secret stands what `Secret` shows. */
export function hideSecrets({ data, secrets }: WithSecrets): Block['data'] {
  let shown = data
  for (const path of secrets) shown = replaced(shown, path, () => HIDDEN)
  return shown
}

/** What is at the secret paths, each with its path. */
export function secretsIn({
  data,
  secrets,
}: WithSecrets): readonly { readonly path: string; readonly value: unknown }[] {
  const found: { path: string; value: unknown }[] = []
  for (const path of secrets)
    replaced(data, path, (value) => {
      found.push({ path, value })
      return value
    })
  return found
}

type Replace = (value: unknown) => unknown

function replaced(data: Block['data'], path: string, by: Replace): Block['data'] {
  return Object.fromEntries(
    Object.entries(data).map(([field, value]) => [field, replacedIn(field, value, path, by)]),
  )
}

function replacedIn(field: string, value: unknown, path: string, by: Replace): unknown {
  if (field === path) return by(value)
  if (!path.startsWith(`${field}.`) || typeof value !== 'object' || value === null) return value
  const rest = path.slice(field.length + 1)
  if (!Array.isArray(value)) return replaced({ ...value }, rest, by)
  return value.map((part, index) => replacedIn(String(index), part, rest, by))
}
