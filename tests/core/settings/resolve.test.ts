import { resolve } from 'node:path'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  CallboardError,
  type DurationInput,
  optionsSource,
  resolveSettings,
  SETTING_NAMES,
  SETTINGS,
  Secret,
  type SettingRow,
  type Settings,
  type SettingsInput,
  variableOf,
  variablesSource,
} from '../../../src/core/index.ts'

const AROUND = { home: resolve('/data/callboard') }

const fromVariables = (environment: Record<string, string>) =>
  resolveSettings([variablesSource('the environment', environment)], AROUND)

const fromOptions = (options: SettingsInput) =>
  resolveSettings([optionsSource('the options', options)], AROUND)

function faultOf(run: () => unknown): CallboardError {
  try {
    run()
  } catch (error) {
    if (error instanceof CallboardError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('a setting', () => {
  it('has its default when nobody gives it: durations in milliseconds, sizes in bytes', () => {
    expect(resolveSettings([], AROUND).settings).toEqual({
      apiKey: undefined,
      brokerUrl: `embedded:${AROUND.home}/broker`,
      configFile: undefined,
      gracePeriod: 30_000,
      home: AROUND.home,
      lateAfter: 15_000,
      loggingFormat: 'pretty',
      loggingLevel: 'info',
      loggingLogPrints: false,
      maxRecoveries: 3,
      natsCreds: undefined,
      natsNkey: undefined,
      natsPassword: undefined,
      natsTlsCa: undefined,
      natsTlsCert: undefined,
      natsTlsKey: undefined,
      natsToken: undefined,
      natsUser: undefined,
      parkAfter: 30_000,
      profile: undefined,
      serverAccess: 'auto',
      serverBodyLimit: 1024 * 1024,
      serverCorsOrigins: [],
      serverHost: '127.0.0.1',
      serverPort: 4200,
      serverRateLimit: 6_000,
      serverStore: `${AROUND.home}/gateway`,
      url: 'http://127.0.0.1:4200',
      workerLease: 10_000,
    })
  })

  it('is decided by the first source that has it, and says which that was', () => {
    const sources = [
      optionsSource('the options', { workerLease: 20, url: undefined }),
      variablesSource('the environment', {
        CALLBOARD_WORKER_LEASE: '30s',
        CALLBOARD_URL: '',
        CALLBOARD_LATE_AFTER: '1m',
      }),
      optionsSource('callboard.config.ts', { url: 'http://configured:1', lateAfter: 5 }),
    ]
    const { settings, explanations } = resolveSettings(sources, AROUND)
    expect(settings).toMatchObject({ workerLease: 20_000, lateAfter: 60_000, url: 'http://configured:1' })
    const from = Object.fromEntries(explanations.map((each) => [each.name, [each.shown, each.from]]))
    expect(from).toMatchObject({
      workerLease: ['20s', 'workerLease in the options'],
      lateAfter: ['1m', 'CALLBOARD_LATE_AFTER in the environment'],
      url: ['http://configured:1', 'url in callboard.config.ts'],
      parkAfter: ['30s', 'default'],
      apiKey: [undefined, 'default'],
    })
    expect(explanations.map(({ name }) => name)).toEqual(SETTING_NAMES)
  })

  it('that depends on another follows it: the embedded broker lies in the home folder', () => {
    const { settings } = fromVariables({ CALLBOARD_HOME: 'elsewhere' })
    expect(settings.home).toBe(resolve('elsewhere'))
    expect(settings.brokerUrl).toBe(`embedded:${resolve('elsewhere', 'broker')}`)
  })

  it.each<[given: Record<string, string>, settings: Partial<Settings>]>([
    [{ CALLBOARD_LOGGING_LEVEL: 'DEBUG' }, { loggingLevel: 'debug' }],
    [{ CALLBOARD_LOGGING_LOG_PRINTS: 'Yes' }, { loggingLogPrints: true }],
    [{ CALLBOARD_LOGGING_LOG_PRINTS: '0' }, { loggingLogPrints: false }],
    [{ CALLBOARD_MAX_RECOVERIES: ' 0 ' }, { maxRecoveries: 0 }],
    [{ CALLBOARD_WORKER_LEASE: '1m30s' }, { workerLease: 90_000 }],
    [{ CALLBOARD_SERVER_BODY_LIMIT: '64 kib' }, { serverBodyLimit: 65_536 }],
    [
      { CALLBOARD_SERVER_CORS_ORIGINS: 'https://a.example, https://b.example,' },
      { serverCorsOrigins: ['https://a.example', 'https://b.example'] },
    ],
    [{ CALLBOARD_BROKER_URL: 'nats://a:4222,b:4222' }, { brokerUrl: 'nats://a:4222,b:4222' }],
    [{ CALLBOARD_NATS_CREDS: 'user.creds' }, { natsCreds: resolve('user.creds') }],
    [{ PATH: '/bin', CALLBOARDER: 'x' }, {}],
  ])('is read from a variable: %j', (given, settings) => {
    expect(fromVariables(given).settings).toMatchObject(settings)
  })

  it.each<[options: SettingsInput, settings: Partial<Settings>]>([
    [{ loggingLogPrints: true }, { loggingLogPrints: true }],
    [{ workerLease: 2 }, { workerLease: 2000 }],
    [{ serverPort: 0 }, { serverPort: 0 }],
    [{ serverBodyLimit: 2048 }, { serverBodyLimit: 2048 }],
    [{ serverCorsOrigins: ['https://a.example'] }, { serverCorsOrigins: ['https://a.example'] }],
  ])('is read from an option: %j', (options, settings) => {
    expect(fromOptions(options).settings).toMatchObject(settings)
  })

  it('handed on through variables comes out the same in another process', () => {
    const options: SettingsInput = {
      apiKey: 'k-1',
      brokerUrl: 'nats://u:p@h:1',
      home: '/data/x',
      loggingLogPrints: true,
      maxRecoveries: 7,
      natsPassword: new Secret('p'),
      serverBodyLimit: '1.5MiB',
      serverCorsOrigins: ['https://a.example', 'https://b.example'],
      workerLease: 1.25,
    }
    const first = fromOptions(options)
    const variables = first.variables()
    expect(Object.keys(variables)).toHaveLength(Object.keys(options).length)
    const second = fromVariables(variables)
    expect(second.settings).toEqual(first.settings)
    expect(second.settings.apiKey?.reveal()).toBe('k-1')
    expect(second.settings.natsPassword?.reveal()).toBe('p')
  })
})

describe('a wrong setting', () => {
  it.each<[given: Record<string, string>, message: string]>([
    [
      { CALLBOARD_WORKER_LEASE: '10 minuts' },
      "CALLBOARD_WORKER_LEASE in the environment is '10 minuts'. Allowed is a duration from 1s to 1h: a number of seconds, or a text such as '250ms', '10m', '1h30m' or '2d'.",
    ],
    [{ CALLBOARD_WORKER_LEASE: '2h' }, "is '2h'. Allowed is a duration from 1s to 1h"],
    [{ CALLBOARD_LOGGING_LEVEL: 'loud' }, "is 'loud'. Allowed is trace, debug, info, warn, or error."],
    [{ CALLBOARD_LOGGING_LOG_PRINTS: 'maybe' }, 'Allowed is true, yes, on, 1, false, no, off, or 0.'],
    [{ CALLBOARD_SERVER_PORT: '65536' }, 'Allowed is a whole number from 0 to 65535.'],
    [{ CALLBOARD_SERVER_PORT: '1e3' }, 'Allowed is a whole number from 0 to 65535.'],
    [{ CALLBOARD_SERVER_BODY_LIMIT: '1MB' }, 'Allowed is a size from 1KiB to 64MiB'],
    [{ CALLBOARD_BROKER_URL: 'localhost:4222' }, 'Allowed is a URL that begins with embedded:'],
    [{ CALLBOARD_URL: 'http://' }, 'Allowed is a URL such as'],
  ])('is refused by its name, with what is allowed: %j', (given, message) => {
    const fault = faultOf(() => fromVariables(given))
    expect(fault.code).toBe('CB_E_SETTING_INVALID')
    expect(fault.message).toContain(message)
    expect(fault.message).toContain(`${Object.keys(given)[0]} in the environment is`)
  })

  it.each<[name: keyof SettingsInput, given: unknown]>([
    ['workerLease', null],
    ['workerLease', []],
    ['loggingLogPrints', 1n],
    ['maxRecoveries', 1.5],
    ['maxRecoveries', Number.NaN],
    ['serverBodyLimit', ['5KiB']],
    ['serverCorsOrigins', [1]],
    ['serverHost', 127],
    ['home', {}],
    ['apiKey', 5],
    ['loggingFormat', {}],
  ])('given as an option of the wrong type is refused: %s = %s', (name, given) => {
    const fault = faultOf(() => resolveSettings([optionsSource('the options', { [name]: given })], AROUND))
    expect(fault.code).toBe('CB_E_SETTING_INVALID')
    expect(fault.message).toMatch(new RegExp(`^${name} in the options is `))
  })

  it('is refused together with all others, however they are wrong', () => {
    const sources = [
      optionsSource('the options', { workerLeese: '5s', maxRecoveries: -1 }),
      variablesSource('the environment', {
        CALLBOARD_BROKER_ULR: 'memory:',
        CALLBOARD_NONSENSE_AT_ALL: '1',
        CALLBOARD_URL: 'x',
      }),
    ]
    const earlier = { code: 'CB_E_CONFIG_FILE', message: 'The file x cannot be read' } as const
    const fault = faultOf(() => resolveSettings(sources, AROUND, [earlier]))
    expect(fault.message.split('\n')).toEqual([
      '6 settings are wrong:',
      '- The file x cannot be read',
      "- 'workerLeese' in the options is not a setting that is known. Did you mean workerLease?",
      "- 'CALLBOARD_BROKER_ULR' in the environment is not a setting that is known. Did you mean CALLBOARD_BROKER_URL?",
      "- 'CALLBOARD_NONSENSE_AT_ALL' in the environment is not a setting that is known. Remove it.",
      '- maxRecoveries in the options is -1. Allowed is a whole number from 0 to 1000.',
      "- CALLBOARD_URL in the environment is 'x'. Allowed is a URL such as http://127.0.0.1:4200.",
    ])
    expect(fault.code).toBe('CB_E_CONFIG_FILE')
    expect(fault.details.faults).toHaveLength(6)
  })

  it('that is only misspelt has a code of its own', () => {
    expect(faultOf(() => fromVariables({ CALLBOARD_API_KY: 'x' })).code).toBe('CB_E_SETTING_UNKNOWN')
  })

  it('in a source that does not decide is not looked at', () => {
    const sources = [
      optionsSource('the options', { maxRecoveries: 1 }),
      variablesSource('the environment', { CALLBOARD_MAX_RECOVERIES: 'many' }),
    ]
    expect(resolveSettings(sources, AROUND).settings.maxRecoveries).toBe(1)
  })
})

describe('a secret', () => {
  it('is in no explanation and in no dump of the settings', () => {
    const resolved = fromVariables({
      CALLBOARD_API_KEY: 'geheim-1',
      CALLBOARD_BROKER_URL: 'nats://ann:geheim-2@h:1',
    })
    expect(JSON.stringify(resolved.explanations)).not.toContain('geheim')
    expect(resolved.explanations).toContainEqual(
      expect.objectContaining({ name: 'brokerUrl', shown: 'nats://ann:***@h:1' }),
    )
    expect(JSON.stringify(resolved.settings.apiKey)).toBe('"***"')
    expect(resolved.settings.apiKey?.reveal()).toBe('geheim-1')
  })

  it('that is wrong, or a wrong address that may hold one, is not repeated in the error', () => {
    const wrong = [
      optionsSource('the options', { apiKey: ['geheim'] }),
      variablesSource('the environment', {
        CALLBOARD_BROKER_URL: 'nat://ann:geheim@h:1',
        CALLBOARD_URL: 'ann:geheim@h',
      }),
    ]
    const fault = faultOf(() => resolveSettings(wrong, AROUND))
    expect(fault.message).toContain('3 settings are wrong')
    expect(JSON.stringify([fault.message, fault.details])).not.toContain('geheim')
  })
})

describe('the table of settings', () => {
  const rows: [name: string, row: SettingRow][] = SETTING_NAMES.map((name) => [name, SETTINGS[name]])

  it('is in alphabetical order, and a variable’s name follows from the setting’s', () => {
    expect(SETTING_NAMES).toEqual(SETTING_NAMES.toSorted())
    expect(variableOf('brokerUrl')).toBe('CALLBOARD_BROKER_URL')
    expect(variableOf('loggingLogPrints')).toBe('CALLBOARD_LOGGING_LOG_PRINTS')
    expect(new Set(SETTING_NAMES.map(variableOf)).size).toBe(SETTING_NAMES.length)
  })

  it.each(rows)(
    'has a default for %s that its own kind allows, or none, and a meaning',
    (_, { kind, preset, meaning }) => {
      const given = typeof preset === 'function' ? preset(AROUND) : preset
      if (given !== undefined) expect(kind.read(given)).not.toBeUndefined()
      expect(meaning).toMatch(/^[A-Z].*\.$/)
    },
  )

  it('gives every setting its type', () => {
    expectTypeOf<Settings['workerLease']>().toEqualTypeOf<number>()
    expectTypeOf<Settings['loggingLevel']>().toEqualTypeOf<'trace' | 'debug' | 'info' | 'warn' | 'error'>()
    expectTypeOf<Settings['loggingLogPrints']>().toEqualTypeOf<boolean>()
    expectTypeOf<Settings['serverCorsOrigins']>().toEqualTypeOf<readonly string[]>()
    expectTypeOf<Settings['brokerUrl']>().toEqualTypeOf<string>()
    expectTypeOf<Settings['apiKey']>().toEqualTypeOf<Secret | undefined>()
    expectTypeOf<Settings['natsCreds']>().toEqualTypeOf<string | undefined>()
    expectTypeOf<SettingsInput['workerLease']>().toEqualTypeOf<DurationInput | undefined>()
    expectTypeOf<SettingsInput['apiKey']>().toEqualTypeOf<string | Secret | undefined>()
    expectTypeOf<SettingsInput['loggingFormat']>().toEqualTypeOf<'pretty' | 'json' | undefined>()
    expectTypeOf<keyof SettingsInput>().toEqualTypeOf<keyof Settings>()
  })
})
