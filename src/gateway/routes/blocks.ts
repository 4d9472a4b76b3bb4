/**
 * Blocks over REST.
 *
 * Invariants
 * (B1) A secret goes in and never comes out: every answer has `***` in its place.
 * (B2) What is kept of a block stays secret: only who gives all of it anew may say that a field is none.
 * (B3) `***` is no secret: who changes what was shown and gives it back would lose the secret otherwise.
 */

import * as api from '../../api/index.ts'
import * as catalog from '../../catalog/index.ts'
import { HIDDEN } from '../../core/index.ts'
import { invalid, type Server } from '../http/index.ts'
import { shown } from './catalog.ts'
import type { Context } from './context.ts'
import { addDefinitions, type Kind } from './definitions.ts'

export function addBlocks(server: Server, { catalog: { blocks } }: Pick<Context, 'catalog'>): void {
  addDefinitions(server, {
    ...{ tag: 'blocks', title: 'block', names: ['type', 'name'], pausable: false },
    ...{ given: api.BlockInput, shown: api.Block },
    idOf: catalog.blockId,
    list: async () => (await blocks.list()).map(shownBlock),
    get: async (id) => shownBlock(await blocks.get(id)),
    create: async (given) => shownBlock(await blocks.create(draftOf(given))),
    put: async (given) => shownBlock(await blocks.put(draftOf(given))),
    update: async (id, changes) => shownBlock(await blocks.update(id, (block) => changed(block, changes))),
    remove: (id) => blocks.delete(id),
  } satisfies Kind<api.BlockInput, api.Block>)
}

/** (B1) */
function shownBlock(block: catalog.Block): api.Block {
  return { ...shown(block), data: catalog.hideSecrets(block) }
}

function draftOf({ secrets = [], ...given }: api.BlockInput): catalog.Draft<catalog.Block> {
  return checked({ ...given, secrets })
}

/** Fields of the data that are given are changed, the others stay; null leaves one out. */
function changed(block: catalog.Block, changes: Partial<api.BlockInput>): catalog.Edit<catalog.Block> {
  const { data = {}, secrets = [] } = changes
  const bared = 'secrets' in changes ? block.secrets.filter((path) => !secrets.includes(path)) : []
  if (bared.length > 0)
    throw invalid(`leaves out ${bared.join(', ')}; put the whole block anew to have it shown`, 'secrets') // (B2)
  const left = Object.entries({ ...block.data, ...data }).filter(([field]) => data[field] !== null)
  return checked({
    ...changes,
    data: Object.fromEntries(left),
    secrets: 'secrets' in changes ? secrets : block.secrets,
  })
}

/** @throws CB_E_REQUEST_INVALID when something cannot be a secret */
function checked<B extends Pick<catalog.Block, 'data' | 'secrets'>>(block: B): B {
  for (const { path, value } of catalog.secretsIn(block)) {
    if (typeof value !== 'string')
      throw invalid('is to be secret and is no text; only texts can be kept secret', `data.${path}`)
    if (value === HIDDEN)
      throw invalid(
        `is what stands in the place of a secret; give the secret, or change only the other fields`,
        `data.${path}`,
      ) // (B3)
  }
  return block
}
