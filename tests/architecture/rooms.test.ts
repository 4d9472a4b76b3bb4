/** The rooms of `src/` and the arrows between them: who may import whom, and by which door. */

import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** What each room may import besides itself. `CONTRIBUTING.md` says it to people. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  broker: ['core'],
  catalog: ['core', 'broker', 'actors'],
  api: ['core', 'catalog'],
  client: ['api'],
  actors: ['core', 'broker'],
  scheduler: ['core', 'broker', 'actors', 'catalog'],
  sdk: ['core', 'broker', 'actors', 'scheduler', 'catalog', 'client'],
  worker: ['core', 'broker', 'actors', 'scheduler', 'sdk', 'catalog'],
  gateway: ['core', 'broker', 'actors', 'scheduler', 'catalog', 'api'],
  cli: ['core', 'broker', 'actors', 'scheduler', 'sdk', 'worker', 'gateway', 'catalog', 'api', 'client'],
  testing: ['core', 'broker', 'actors', 'scheduler', 'sdk', 'worker', 'gateway', 'catalog', 'api', 'client'],
}

interface Import {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

const files = globSync('src/**/*.ts', { cwd: ROOT }).toSorted()
const sources = new Map(files.map((file) => [file, readFileSync(ROOT + file, 'utf8')]))
const roomOf = (file: string): string => file.split('/')[1] ?? ''

/** Every relative import or re-export, static or dynamic. */
const imports: readonly Import[] = files.flatMap((from) =>
  [
    ...(sources.get(from) ?? '').matchAll(
      /^(?:import|export)( type)?\b[^'"`;]*?from '(\.[^']+)'|^import '(\.[^']+)'|\bimport\('(\.[^']+)'\)/gm,
    ),
  ].map(([, typeOnly, named, bare, dynamic]) => ({
    from,
    to: normalize(join(dirname(from), named ?? bare ?? dynamic ?? '')),
    typeOnly: typeOnly !== undefined,
  })),
)

describe('the rooms', () => {
  test('are all in the table, and imports were found', () => {
    expect(Object.keys(ARROWS)).toEqual(expect.arrayContaining([...new Set(files.map(roomOf))]))
    expect(imports.length).toBeGreaterThan(20)
  })

  test('import only what the table allows', () => {
    const wrong = imports.filter(({ from, to }) => {
      const [room, other] = [roomOf(from), roomOf(to)]
      return room !== other && !ARROWS[room]?.includes(other)
    })
    expect(wrong).toEqual([])
  })

  test('are entered by their index.ts, by the test room also by that of a folder inside', () => {
    const wrong = imports.filter(
      ({ from, to }) =>
        roomOf(from) !== roomOf(to) &&
        to !== `src/${roomOf(to)}/index.ts` &&
        !(roomOf(from) === 'testing' && to.endsWith('/index.ts')),
    )
    expect(wrong).toEqual([])
  })

  test('have folders that are entered by their index.ts too', () => {
    const wrong = imports.filter(({ from, to }) => {
      const folder = dirname(to)
      const inside = dirname(from) === folder || dirname(from).startsWith(`${folder}/`)
      return !inside && to !== `${folder}/index.ts`
    })
    expect(wrong).toEqual([])
  })

  test('and their folders have an index.ts that says what they are for and lists what others may use', () => {
    for (const folder of new Set(files.map((file) => dirname(file)))) {
      const index = sources.get(`${folder}/index.ts`)
      expect(index, `${folder}/index.ts`).toMatch(/^\/\*\*/)
      expect(index, `${folder}/index.ts`).not.toMatch(/^export \*/m)
    }
  })

  test('have no circle of imports that would decide the order in which files run', () => {
    const next = Map.groupBy(
      imports.filter(({ typeOnly }) => !typeOnly),
      ({ from }) => from,
    )
    const settled = new Set<string>()
    const circles: string[][] = []
    const walk = (file: string, path: readonly string[]) => {
      if (path.includes(file)) return void circles.push([...path.slice(path.indexOf(file)), file])
      if (settled.has(file)) return
      for (const { to } of next.get(file) ?? []) walk(to, [...path, file])
      settled.add(file)
    }
    for (const file of files) walk(file, [])
    expect(circles).toEqual([])
  })
})

describe('every source', () => {
  test('is of a size that one reads in one go', () => {
    const long = files.filter((file) => (sources.get(file) ?? '').split('\n').length > 600)
    expect(long).toEqual([])
  })

  test('takes time and randomness from what it is given', () => {
    const own = new Set([
      'src/client/platform.ts',
      'src/core/clock.ts',
      'src/core/random.ts',
      'src/core/virtual-clock.ts',
    ])
    const direct =
      /\b(Date\.now|Math\.random|performance\.now|hrtime(\.bigint)?|setTimeout|setInterval|setImmediate)\(|\bnew Date\(\)/
    const others = files.filter((file) => !own.has(file))
    expect(linesOf([...own], direct)).not.toEqual([])
    expect(linesOf(others, direct)).toEqual([])
  })

  test('stays within the type system', () => {
    expect(
      linesOf(
        files,
        /@ts-(ignore|expect-error|nocheck)|as unknown as|[:<] ?any\b|\bas any\b|^(export )?(const )?enum /,
      ),
    ).toEqual([])
  })
})

/** `file:line: text` of the lines of code (comments left out) that match. */
function linesOf(among: readonly string[], pattern: RegExp): string[] {
  return among.flatMap((file) =>
    (sources.get(file) ?? '').split('\n').flatMap((line, index) => {
      const code = line.replace(/^\s*(\*|\/\*|\/\/).*|\/\/ .*$/, '')
      return pattern.test(code) ? [`${file}:${index + 1}: ${line.trim()}`] : []
    }),
  )
}
