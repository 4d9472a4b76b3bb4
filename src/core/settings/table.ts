/**
 * Every setting, once: its kind, its default and what it means. The name of its environment variable follows from its
 * own. `docs/reference/settings.md` is generated from this table and a test compares them.
 */

import { join } from 'node:path'
import type { Kind } from './kinds.ts'
import * as is from './kinds.ts'

/** What a default may depend on. */
export interface Surroundings {
  /** The folder for the user's data: where the system wants it, or where the setting `home` says. */
  readonly home: string
}

type Preset = string | number | boolean | readonly string[] | ((surroundings: Surroundings) => string)

export interface SettingRow {
  readonly kind: Kind<unknown, unknown>
  /** Without one the setting may be left unset, and is undefined then. */
  readonly preset?: Preset
  /** The default for people, where it depends on the surroundings. */
  readonly presetShown?: string
  readonly meaning: string
}

export const SETTINGS = {
  apiKey: {
    kind: is.secret,
    meaning: 'The API key that the command line and clients show to the gateway.',
  },
  brokerUrl: {
    kind: is.url(['embedded', 'memory', 'nats', 'tls']),
    preset: ({ home }: Surroundings) => `embedded:${join(home, 'broker')}`,
    presetShown: '`embedded:` and the folder `broker` in the folder `home`',
    meaning: 'The broker that carries the messages and keeps the logs.',
  },
  configFile: {
    kind: is.path,
    meaning:
      'The configuration file. Unset: `callboard.config.ts` in the working directory, if there is one.',
  },
  gracePeriod: {
    kind: is.duration({ min: 0, max: '1d' }),
    preset: '30s',
    meaning: 'How long a cancelled run may take to stop by itself before it is killed.',
  },
  home: {
    kind: is.path,
    preset: ({ home }: Surroundings) => home,
    presetShown: "the user's data folder, such as `~/.local/share/callboard`",
    meaning: 'The folder for what is kept on this machine: the embedded broker, profiles.',
  },
  lateAfter: {
    kind: is.duration({ min: 0, max: '1d' }),
    preset: '15s',
    meaning: 'How long after its start time a run that no worker took is called late.',
  },
  loggingFormat: {
    kind: is.choice('pretty', 'json'),
    preset: 'pretty',
    meaning: 'How log lines are written: for people, or as one JSON object each.',
  },
  loggingLevel: {
    kind: is.choice('trace', 'debug', 'info', 'warn', 'error'),
    preset: 'info',
    meaning: 'The least important log lines that are written.',
  },
  loggingLogPrints: {
    kind: is.boolean,
    preset: false,
    meaning:
      'Whether what a run prints with `console.log` goes to its log. Options of flows and tasks beat it.',
  },
  maxRecoveries: {
    kind: is.integer({ min: 0, max: 1000 }),
    preset: 3,
    meaning: 'How often a run whose host was lost is taken over before it counts as crashed.',
  },
  natsCreds: {
    kind: is.path,
    meaning: 'NATS: the credentials file (JWT and seed).',
  },
  natsNkey: {
    kind: is.secret,
    meaning: 'NATS: an nkey seed, or the path of a file that holds one.',
  },
  natsPassword: {
    kind: is.secret,
    meaning: 'NATS: the password of `natsUser`.',
  },
  natsTlsCa: {
    kind: is.path,
    meaning: 'NATS: the certificates to trust, PEM.',
  },
  natsTlsCert: {
    kind: is.path,
    meaning: "NATS: this client's certificate, PEM.",
  },
  natsTlsKey: {
    kind: is.path,
    meaning: "NATS: this client's private key, PEM.",
  },
  natsToken: {
    kind: is.secret,
    meaning: 'NATS: a token.',
  },
  natsUser: {
    kind: is.text,
    meaning: 'NATS: a user name.',
  },
  parkAfter: {
    kind: is.duration({ min: 0, max: '1d' }),
    preset: '30s',
    meaning: 'A run that sleeps or waits longer than this leaves its process and is run again from its log.',
  },
  profile: {
    kind: is.text,
    meaning: 'The profile whose settings hold. Unset: the one that `callboard profile use` made active.',
  },
  serverAccess: {
    kind: is.choice('auto', 'keys', 'open'),
    preset: 'auto',
    meaning:
      'Who needs an API key: with `auto` everybody who is not on this machine, with `keys` everybody, with `open` nobody, because something else keeps strangers out.',
  },
  serverBodyLimit: {
    kind: is.size({ min: '1KiB', max: '64MiB' }),
    preset: '1MiB',
    meaning: 'The largest request body that the gateway accepts.',
  },
  serverCorsOrigins: {
    kind: is.list,
    preset: [],
    meaning: 'The origins whose pages may call the gateway from a browser.',
  },
  serverHost: {
    kind: is.text,
    preset: '127.0.0.1',
    meaning: 'The address that the gateway listens on.',
  },
  serverPort: {
    kind: is.integer({ min: 0, max: 65_535 }),
    preset: 4200,
    meaning: 'The port that the gateway listens on; 0 for any free one.',
  },
  serverRateLimit: {
    kind: is.integer({ min: 0, max: 1_000_000 }),
    preset: 6_000,
    meaning:
      'How many requests a minute one API key, or one address without a key, may make; 0 for any number. Does not hold for programs on this machine that need no key.',
  },
  serverStore: {
    kind: is.text,
    preset: ({ home }: Surroundings) => `${home}/gateway`,
    presetShown: 'the folder `gateway` in `home`',
    meaning:
      'The folder for what the gateway keeps of the log to find things fast, or `:memory:`. It can be deleted at any time.',
  },
  url: {
    kind: is.httpUrl(),
    preset: 'http://127.0.0.1:4200',
    meaning: 'The gateway that the command line and clients talk to.',
  },
  workerLease: {
    kind: is.duration({ min: '1s', max: '1h' }),
    preset: '10s',
    meaning:
      'How long a worker counts as alive after it last said so; it says so every third of this. After that its runs are taken over.',
  },
} as const satisfies Record<string, SettingRow>

export type SettingName = keyof typeof SETTINGS

type GivenOf<Row> = Row extends { kind: Kind<infer Given, infer _> } ? Given : never
type ValueOf<Row> = Row extends { kind: Kind<infer _, infer Value> }
  ? Row extends { preset: unknown }
    ? Value
    : Value | undefined
  : never

/** What the user may give as options or in the configuration file. */
export type SettingsInput = {
  readonly [Name in SettingName]?: GivenOf<(typeof SETTINGS)[Name]> | undefined
}

/** What the program gets: every setting, durations in milliseconds, sizes in bytes, paths absolute. */
export type Settings = { readonly [Name in SettingName]: ValueOf<(typeof SETTINGS)[Name]> }

/** In the order of the table. */
export const SETTING_NAMES: readonly SettingName[] = Object.keys(SETTINGS) as SettingName[]

/** `CALLBOARD_BROKER_URL` for `brokerUrl`. */
export function variableOf(name: string): string {
  return `${VARIABLE_PREFIX}${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

export const VARIABLE_PREFIX = 'CALLBOARD_'
