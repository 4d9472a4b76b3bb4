/** Where each package is known, and each part of Node that is a decision: in one place, behind something of ours. */

import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** The files and folders of `src/` that may import it. What Node has built in and is not here, anybody may. */
const HOMES: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    '@fastify/cors': ['gateway/access/'],
    '@fastify/helmet': ['gateway/access/'],
    '@fastify/rate-limit': ['gateway/access/'],
    '@fastify/swagger': ['gateway/'],
    '@commander-js/extra-typings': ['cli/'],
    '@fastify/type-provider-typebox': ['gateway/'],
    '@fastify/websocket': ['gateway/'],
    '@nats-io/transport-node': ['broker/nats/'],
    ajv: ['actors/input.ts', 'catalog/check.ts'],
    'ajv-formats': ['actors/input.ts'],
    'cli-table3': ['cli/'],
    commander: ['cli/'],
    fastify: ['gateway/'],
    'log-update': ['cli/'],
    'node:sqlite': ['broker/embedded/', 'gateway/read-model/'],
    'node:timers': [],
    pino: ['core/pino-logger.ts'],
    'prom-client': ['gateway/'],
    typebox: ['api/', 'catalog/', 'gateway/'],
    xstate: ['actors/', 'scheduler/partition-chart.ts'],
  }),
)

/** `node:fs` of `node:fs/promises`, `@a/b` of `@a/b/c`. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

const found = globSync('src/**/*.ts', { cwd: ROOT }).flatMap((path) =>
  [
    ...readFileSync(ROOT + path, 'utf8').matchAll(
      /^(?:import|export)\b[^'"`;]*? from '([^.'][^']*)'|^import '([^.'][^']*)'|\b(?:import|require)\('([^.'][^']*)'\)/gm,
    ),
  ].map(([, ...specifiers]) => ({
    file: path.replace('src/', ''),
    name: packageOf(specifiers.find((specifier) => specifier !== undefined) ?? ''),
  })),
)

describe('a package', () => {
  test('is looked for in every way there is to import one', () => {
    const names = new Set(found.map(({ name }) => name))
    expect([...names]).toEqual(
      expect.arrayContaining(['pino', 'xstate', 'node:fs', '@nats-io/transport-node']),
    )
  })

  test('that users install has a home', () => {
    const installed = Object.keys(manifest.dependencies)
    expect(installed.filter((name) => !HOMES.has(name))).toEqual([])
  })

  test('is imported in its home only', () => {
    const homeless = found.filter(({ file, name }) => {
      const homes = HOMES.get(name)
      if (homes === undefined) return !name.startsWith('node:')
      return !homes.some((home) => (home.endsWith('/') ? file.startsWith(home) : file === home))
    })
    expect(homeless).toEqual([])
  })
})
