/**
 * Definitions over REST: the same few routes for each kind. They are about more than some runs, so that who is bound to
 * some runs has nothing to do with them.
 */

import type { FastifyRequest } from 'fastify'
import { type TObject, type TSchema, Type } from 'typebox'
import { Paging, strict } from '../../api/index.ts'
import { CallboardError } from '../../core/index.ts'
import { demandUnbound } from '../access/index.ts'
import { invalid, type Server } from '../http/index.ts'
import { about, answers, answersPage, Nothing, pageIn, principalOf } from './context.ts'

/** `Given` is what one is made of, `Shown` how it looks. */
export interface Kind<Given, Shown> {
  /** The group: `work-pools`, which is also the path. */
  readonly tag: string
  /** What people call one of them: "work pool". */
  readonly title: string
  /** What one is known by, in the order of the path: `pool`, `name`. */
  readonly names: readonly string[]
  readonly given: TObject
  readonly shown: TSchema
  /** In the order of their ids. */
  list(): Promise<readonly Shown[]>
  idOf(shown: Shown): string
  /** @throws CB_E_CATALOG_MISSING */
  get(id: string): Promise<Shown>
  /** @throws CB_E_CATALOG_EXISTS, CB_E_CATALOG_INVALID */
  create(given: Given): Promise<Shown>
  /** Makes it, or puts it in the place of what is there. */
  put(given: Given): Promise<Shown>
  /** What is changed to `undefined` is left out. @throws CB_E_CATALOG_MISSING, CB_E_CATALOG_INVALID */
  update(id: string, changes: Partial<Given>): Promise<Shown>
  /** `false` when there was none. */
  remove(id: string): Promise<boolean>
  /** With it, `/pause` and `/resume` are there. */
  readonly pausable: boolean
}

const ListQuery = Type.Object(Paging, strict)

export function addDefinitions<Given extends object, Shown>(server: Server, kind: Kind<Given, Shown>): void {
  const { given, names, pausable, shown, tag, title } = kind
  const path = `/api/v1/${tag}`
  const one = `${path}/${names.map((name) => `:${name}`).join('/')}`
  const Named = Type.Object(
    Object.fromEntries(names.map((name) => [name, Type.String({ minLength: 1, maxLength: 1_000 })])),
  )
  const answer = answers(shown)

  server.get(
    path,
    {
      schema: {
        ...about(tag, `All of them, in the order of their names`),
        querystring: ListQuery,
        response: answersPage(shown),
      },
    },
    async (request) => {
      demandUnbound(principalOf(request))
      return pageIn(await kind.list(), kind.idOf, request.query)
    },
  )

  server.post(
    path,
    {
      schema: { ...about(tag, `Make a ${title}`), body: given, response: { 201: shown } },
      config: { scope: 'admin' },
    },
    async (request, reply) => {
      demandUnbound(principalOf(request))
      return reply.code(201).send(await kind.create(request.body as Given))
    },
  )

  server.get(
    one,
    { schema: { ...about(tag, `A ${title}`), params: Named, response: answer } },
    async (request) => {
      demandUnbound(principalOf(request))
      return kind.get(idIn(request))
    },
  )

  server.put(
    one,
    {
      schema: {
        ...about(tag, `Make a ${title}, or put it in the place of what is there`),
        params: Named,
        body: optional(given, names),
        response: answer,
      },
      config: { scope: 'admin' },
    },
    async (request) => {
      demandUnbound(principalOf(request))
      return kind.put({ ...(request.body as Given), ...namesIn(request) })
    },
  )

  server.patch(
    one,
    {
      schema: {
        ...about(
          tag,
          `Change a ${title}`,
          'What is given is changed, the rest stays; null leaves a field out.',
        ),
        params: Named,
        body: changesOf(given),
        response: answer,
      },
      config: { scope: 'admin' },
    },
    async (request) => {
      demandUnbound(principalOf(request))
      namesIn(request)
      const changes = Object.entries(request.body as object).map(([field, value]) => [
        field,
        value ?? undefined,
      ])
      return kind.update(idIn(request), Object.fromEntries(changes) as Partial<Given>)
    },
  )

  server.delete(
    one,
    {
      schema: { ...about(tag, `Delete a ${title}`), params: Named, response: { 204: Nothing } },
      config: { scope: 'admin' },
    },
    async (request, reply) => {
      demandUnbound(principalOf(request))
      const id = idIn(request)
      if (await kind.remove(id)) return reply.code(204).send(null)
      throw noSuch(title, id)
    },
  )

  for (const [step, paused] of pausable
    ? ([
        ['pause', true],
        ['resume', false],
      ] as const)
    : [])
    server.post(
      `${one}/${step}`,
      {
        schema: {
          ...about(tag, paused ? `Pause a ${title}` : `Let a ${title} go on`),
          params: Named,
          response: answer,
        },
        config: { scope: 'admin' },
      },
      async (request) => {
        demandUnbound(principalOf(request))
        return kind.update(idIn(request), { paused } as Partial<Given> & { paused: boolean })
      },
    )

  function idIn({ params }: Pick<FastifyRequest, 'params'>): string {
    const given = params as Readonly<Record<string, string>>
    return names.map((name) => given[name]).join('/')
  }

  /** The names of the path, which those of the body may only repeat. @throws CB_E_REQUEST_INVALID */
  function namesIn({
    body,
    params,
  }: Pick<FastifyRequest, 'body' | 'params'>): Readonly<Record<string, string>> {
    const asked = params as Readonly<Record<string, string>>
    const said = body as Readonly<Record<string, unknown>>
    for (const name of names)
      if (said[name] !== undefined && said[name] !== asked[name])
        throw invalid(`is '${asked[name]}' in the path; a ${title} cannot be given another name`, name)
    return Object.fromEntries(names.map((name) => [name, asked[name] ?? '']))
  }
}

export function noSuch(title: string, id: string): CallboardError {
  return new CallboardError('CB_E_CATALOG_MISSING', `There is no ${title} '${id}'.`)
}

/** With these fields, which the path says already, optional. */
function optional({ properties }: TObject, names: readonly string[]): TObject {
  return Type.Object(
    Object.fromEntries(
      Object.entries(properties).map(([field, schema]) => [
        field,
        names.includes(field) ? Type.Optional(schema) : schema,
      ]),
    ),
    strict,
  )
}

/** Every field optional; null for those that may be left out. */
function changesOf({ properties, required }: TObject): TObject {
  const needed: readonly string[] = required ?? []
  return Type.Object(
    Object.fromEntries(
      Object.entries(properties).map(([field, schema]) => [
        field,
        Type.Optional(needed.includes(field) ? schema : Type.Union([schema, Type.Null()])),
      ]),
    ),
    strict,
  )
}
