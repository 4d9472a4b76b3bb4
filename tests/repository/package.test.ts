/**
 * What users get. The package is put together in a folder of its own, from the sources as they are now, so that
 * neither an older `dist/` nor the repository around it can stand in for something that is missing.
 */

import { spawnSync } from 'node:child_process'
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const TSC = join(ROOT, 'node_modules/.bin/tsc')
const STRICT = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2024', '--types', 'node']
const entryPoints = Object.keys(manifest.exports).map((path) => path.replace(/^\./, manifest.name))

/** Each test starts a compiler or npm; on a busy machine that takes a while. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const folder = mkdtempSync(join(tmpdir(), 'callboard-package-'))
const packageFolder = join(folder, 'package')
const userFolder = join(folder, 'user')

/** Runs a program and returns what it printed; throws with what it printed when it fails. */
function run(cwd: string, program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ended with ${status}:\n${stdout}${stderr}`)
  return stdout
}

beforeAll(() => {
  run(ROOT, TSC, '-p', 'tsconfig.build.json', '--outDir', join(packageFolder, 'dist'))
  for (const file of ['package.json', 'LICENSE', 'README.md', 'CHANGELOG.md', 'CONTRIBUTING.md'])
    cpSync(join(ROOT, file), join(packageFolder, file))
  symlinkSync(join(ROOT, 'node_modules'), join(packageFolder, 'node_modules'))
  mkdirSync(join(userFolder, 'node_modules'), { recursive: true })
  writeFileSync(join(userFolder, 'package.json'), '{ "type": "module" }')
  symlinkSync(packageFolder, join(userFolder, 'node_modules', manifest.name))
  symlinkSync(join(ROOT, 'node_modules/@types'), join(userFolder, 'node_modules/@types'))
})

afterAll(() => rmSync(folder, { recursive: true }))

/** The programs in the documentation: blocks of TypeScript that import the package, by page. */
const programs = globSync(['README.md', 'docs/**/*.md'], { cwd: ROOT }).flatMap((page) =>
  blocks(page, 'ts')
    .filter((code) => code.includes(`from '${manifest.name}`))
    .map((code) => ({ page, code })),
)

function blocks(page: string, language: string): string[] {
  const text = readFileSync(join(ROOT, page), 'utf8')
  return [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].flatMap(([, found, code = '']) =>
    found === language ? [code] : [],
  )
}

describe('the package', () => {
  test('holds the compiled sources with their types, the licence and the two pages, and nothing else', () => {
    const sources = globSync('src/**/*.ts', { cwd: ROOT }).map((path) =>
      path.replace(/^src\/(.*)\.ts$/, 'dist/$1'),
    )
    const expected = [
      ...['package.json', 'LICENSE', 'README.md', 'CHANGELOG.md'],
      ...sources.flatMap((path) => [`${path}.js`, `${path}.d.ts`]),
    ]
    const [report] = JSON.parse(run(packageFolder, 'npm', 'pack', '--dry-run', '--json', '--ignore-scripts'))
    const packed = report.files.map((file: { path: string }) => file.path)
    expect(packed.toSorted()).toEqual(expected.toSorted())
  })

  test('can be imported by the name of every entry point', () => {
    const program = `
      const found = {}
      for (const name of ${JSON.stringify(entryPoints)}) found[name] = Object.keys(await import(name)).length
      console.log(JSON.stringify(found))
    `
    const found: Record<string, number> = JSON.parse(
      run(packageFolder, process.execPath, '--input-type=module', '--eval', program),
    )
    expect(Object.keys(found)).toEqual(entryPoints)
    for (const name of entryPoints) expect(found[name], name).toBeGreaterThan(0)
  })

  test('hides what is not an entry point', () => {
    const program = `await import('${manifest.name}/core').catch((error) => console.log(error.code))`
    const printed = run(packageFolder, process.execPath, '--input-type=module', '--eval', program)
    expect(printed.trim()).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })

  test('gives a strict TypeScript user its types without an error', () => {
    writeFileSync(
      join(userFolder, 'user.ts'),
      `${entryPoints.map((name, index) => `import * as entry${index} from '${name}'`).join('\n')}
       import type { Broker, Entry } from '${manifest.name}/broker'
       export const entries = [${entryPoints.map((_, index) => `entry${index}`).join(', ')}]
       export const status = (broker: Broker): 'starting' | 'connected' | 'disconnected' | 'stopped' => broker.status
       export const revision = (entry: Entry): number => entry.rev
       // @ts-expect-error: a revision is a number. When the types went missing, this line would be no error.
       export const wrong = (entry: Entry): string => entry.rev
      `,
    )
    expect(run(userFolder, TSC, ...STRICT, 'user.ts')).toBe('')
  })

  test('is what the programs in the documentation use it for', () => {
    expect(programs.map(({ page }) => page)).toContain('docs/tutorial/first-log.md')
    const names = programs.map(({ code }, index) => {
      writeFileSync(join(userFolder, `program-${index}.ts`), code)
      return `program-${index}.ts`
    })
    // That the package's own types are sound is the test above; here it is the programs.
    expect(run(userFolder, TSC, ...STRICT, '--skipLibCheck', ...names)).toBe('')
  })

  test('makes the tutorial print what it says it prints', () => {
    const page = 'docs/tutorial/first-log.md'
    const [code = ''] = blocks(page, 'ts')
    const [said = ''] = blocks(page, '').filter((text) => text.includes('the race:'))
    writeFileSync(join(userFolder, 'tutorial.ts'), code)
    const printed = run(userFolder, process.execPath, 'tutorial.ts')
    expect(printed.split('\n').toSorted()).toEqual(said.split('\n').toSorted())
  })
})
