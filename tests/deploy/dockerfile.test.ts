import { readFileSync } from 'node:fs'
import { DockerfileParser, type From, type Instruction } from 'dockerfile-ast'
import { validate } from 'dockerfile-utils'
import { describe, expect, test } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }

const text = readFileSync(new URL('../../Dockerfile', import.meta.url), 'utf8')
const dockerfile = DockerfileParser.parse(text)
const stages = dockerfile.getFROMs()

/** The instructions of the last stage, the one that becomes the image. */
const final = dockerfile
  .getInstructions()
  .filter((instruction) => instruction.getRange().start.line > (stages.at(-1)?.getRange().start.line ?? 0))
const named = (keyword: string): Instruction[] => final.filter((step) => step.getKeyword() === keyword)
const argumentsOf = (keyword: string) => named(keyword).at(-1)?.getArgumentsContent() ?? ''

describe('the Dockerfile', () => {
  test('has no mistake that its checker knows', () => {
    expect(validate(text).map(({ message }) => message)).toEqual([])
    expect(validate('FROM node:24-slim\nUSR node\n')).toHaveLength(1)
  })

  test('builds in stages, all of them on the Node version that package.json asks for', () => {
    expect(stages.map((stage: From) => stage.getBuildStage())).toEqual(['build', 'dependencies', null])
    const major = /\d+/.exec(manifest.engines.node)?.[0]
    for (const stage of stages) expect(stage.getImage()).toBe(`node:${major}-slim`)
  })

  test('copies only from stages that it has', () => {
    const sources = dockerfile.getCOPYs().flatMap((copy) => copy.getFromFlag()?.getValue() ?? [])
    expect(sources).toEqual(['dependencies', 'build'])
  })

  test('leaves what only development needs out of the image', () => {
    const installs = dockerfile
      .getInstructions()
      .filter((step) => step.getArgumentsContent()?.startsWith('npm ci'))
    expect(installs.map((step) => step.getArgumentsContent())).toEqual(['npm ci', 'npm ci --omit=dev'])
    expect(
      dockerfile
        .getCOPYs()
        .find((copy) => /node_modules/.test(copy.getArgumentsContent() ?? ''))
        ?.getFromFlag()
        ?.getValue(),
    ).toBe('dependencies')
  })

  test('runs as a user who is not root, behind an init that passes signals on', () => {
    expect(argumentsOf('USER')).toBe('node')
    expect(JSON.parse(argumentsOf('ENTRYPOINT')).slice(0, 3)).toEqual(['tini', '--', 'node'])
  })

  test('keeps what it keeps in its volume', () => {
    expect(named('ENV').map((step) => step.getArgumentsContent())).toContain('CALLBOARD_HOME=/data')
    expect(argumentsOf('VOLUME')).toBe('/data')
  })

  test('starts the program that the package has', () => {
    expect(JSON.parse(argumentsOf('ENTRYPOINT')).at(-1)).toBe(manifest.bin.callboard)
  })

  test('has a health check', () => {
    expect(argumentsOf('HEALTHCHECK')).toContain(
      'CMD ["node", "healthcheck.js", "http://127.0.0.1:4200/api/ready"]',
    )
  })
})

describe('.dockerignore', () => {
  test('lets everything in that the Dockerfile copies, and little else', () => {
    const ignore = readFileSync(new URL('../../.dockerignore', import.meta.url), 'utf8')
    const allowed = ignore.split('\n').filter((line) => line.startsWith('!'))
    const copied = dockerfile
      .getCOPYs()
      .filter((copy) => !copy.getFromFlag())
      .flatMap((copy) =>
        copy
          .getArguments()
          .slice(0, -1)
          .map((argument) => argument.getValue()),
      )
    const wanted = new Set(copied.map((path) => `!${path}${/^(src|scripts)$/.test(path) ? '/' : ''}`))
    expect(allowed.toSorted()).toEqual([...wanted].toSorted())
  })
})
