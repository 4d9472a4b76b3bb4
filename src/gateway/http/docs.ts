/** The gateway describes itself: OpenAPI 3.1 from the schemas of its routes, and a page that shows it. */

import swagger from '@fastify/swagger'
import { Problem } from '../../api/index.ts'
import { packageVersion } from '../../core/index.ts'
import { docsPage } from './docs-page.ts'
import { PROBLEM_TYPE } from './problems.ts'
import type { Server } from './server.ts'

/** Before any route is added. */
export async function addDocs(server: Server): Promise<void> {
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Callboard',
        version: packageVersion(),
        description:
          'Flow runs and what belongs to them: started, told, watched. Errors are problem documents (RFC 9457); lists page by cursor. The live socket is described at `/api/asyncapi.json`.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: {
        schemas: { Problem: plain(Problem) },
        responses: {
          Problem: {
            description: 'It was refused, or could not be done.',
            content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
          },
        },
        securitySchemes: {
          key: { type: 'http', scheme: 'bearer', description: 'An API key, or a run token.' },
        },
      },
      security: [{}, { key: [] }],
    },
    hideUntagged: true,
  })
  const document = described(server)
  server.get('/api/openapi.json', async () => document())
  server.get('/api/docs', { config: { scope: 'public' } }, async (_, reply) => {
    reply.type('text/html; charset=utf-8')
    return docsPage(document())
  })
}

type Json = Readonly<Record<string, unknown>>

/** Made when it is first asked for: routes are still being added until then. */
function described(server: Server): () => Json {
  let document: Json | undefined
  return () => {
    document ??= withProblems(plain(server.swagger()))
    return document
  }
}

const METHODS = new Set(['get', 'put', 'post', 'delete', 'patch'])

/** Every operation may answer with a problem. */
function withProblems(document: Json): Json {
  const { paths } = document
  const told = Object.entries(isJson(paths) ? paths : {}).map(([path, item]) => [
    path,
    Object.fromEntries(
      Object.entries(isJson(item) ? item : {}).map(([method, operation]) => [
        method,
        METHODS.has(method) && isJson(operation) ? withProblem(operation) : operation,
      ]),
    ),
  ])
  return { ...document, paths: Object.fromEntries(told) }
}

function withProblem(operation: Json): Json {
  const { responses } = operation
  const known = isJson(responses) ? responses : {}
  return { ...operation, responses: { ...known, default: { $ref: '#/components/responses/Problem' } } }
}

/** Without what the schema library keeps beside the schema. */
function plain(value: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value))
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
