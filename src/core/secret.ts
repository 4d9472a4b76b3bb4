/** What must not be shown: secret values, the names such values go by, and credentials inside URLs. */

import { inspect } from 'node:util'

/** What is shown of a secret. */
export const HIDDEN = '***'

/** A text that no log line, message or dump shows. Only `reveal` gives it away: call that where it is used up. */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  reveal(): string {
    return this.#text
  }

  toString(): string {
    return HIDDEN
  }

  toJSON(): string {
    return HIDDEN
  }

  [inspect.custom](): string {
    return HIDDEN
  }
}

/** Words that mark a name as that of a secret, wherever they stand in it, however it is spelt. */
const SECRET_WORDS = [
  'apikey',
  'authorization',
  'cookie',
  'credential',
  'creds',
  'nkey',
  'passphrase',
  'passwd',
  'password',
  'privatekey',
  'secret',
  'seed',
  'token',
]

const SECRET_PATTERN = new RegExp(SECRET_WORDS.join('|'))

/** True for names such as `password`, `apiKey`, `X-API-Key`, `access_token`, `nkeySeed`. */
export function isSecretName(name: string): boolean {
  return SECRET_PATTERN.test(name.toLowerCase().replaceAll(/[^a-z0-9]/g, ''))
}

/** `scheme://user:password@host` or `scheme://token@host`, anywhere in a text. */
const USERINFO = /\b([a-z][a-z0-9+.-]*:\/\/)([^\s/?#@:]*)(:[^\s/?#@]*)?@/gi

/** `?name=value` or `&name=value`. */
const QUERY_OPTION = /([?&])([\w.-]+)=([^\s&#]*)/g

/**
 * The text with the credentials of every URL in it hidden: passwords, user names that stand alone (they are tokens),
 * and options of the query with a secret's name.
 */
export function hideCredentials(text: string): string {
  if (!text.includes('://')) return text
  return text
    .replaceAll(USERINFO, (_, scheme: string, user: string, password?: string) =>
      password === undefined ? `${scheme}${HIDDEN}@` : `${scheme}${user}:${HIDDEN}@`,
    )
    .replaceAll(QUERY_OPTION, (option: string, mark: string, name: string) =>
      isSecretName(name) ? `${mark}${name}=${HIDDEN}` : option,
    )
}
