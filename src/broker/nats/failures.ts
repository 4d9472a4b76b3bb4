/** What goes wrong between us and the server, as coded errors that say what to do. None carries a secret. */

import { errors } from '@nats-io/transport-node'
import { CallboardError, isCallboardError, messageOf } from '../../core/index.ts'
import type { Loss } from './inbox.ts'
import type { NatsSettings } from './settings.ts'

/** Why the first connection could not be made. */
export function connectFailure(thrown: unknown, settings: NatsSettings): CallboardError {
  if (isCallboardError(thrown)) return thrown
  const servers = settings.servers.join(', ')
  const reason = messageOf(thrown)
  if (thrown instanceof errors.AuthorizationError || thrown instanceof errors.UserAuthenticationExpiredError)
    return new CallboardError(
      'CB_E_BROKER_AUTH',
      `The NATS server at ${servers} refused the credentials (${given(settings)}): ${reason}. Check them, and the server's users.`,
    )
  const tls = /tls|ssl|certificate|handshake/i.test(reason)
  return new CallboardError(
    'CB_E_BROKER_UNREACHABLE',
    `No NATS server could be reached at ${servers}: ${reason}. ${tls ? 'Check the TLS files (tls_ca, tls_cert, tls_key) and the name in the URL.' : 'Check that one runs there and that this machine may reach it.'}`,
    { cause: thrown, details: { servers: settings.servers } },
  )
}

function given(settings: NatsSettings): string {
  const { credentials } = settings
  switch (credentials.is) {
    case 'none':
      return 'none were given'
    case 'password':
      return `user "${credentials.user}" with a password`
    case 'token':
      return 'a token'
    case 'creds':
      return 'a credentials file'
    case 'nkey':
      return 'an nkey'
  }
}

/** Why a question was not answered. `what` is a phrase such as "to read the stream CB_LOG". */
export function lossFailure(why: Loss, what: string): CallboardError {
  switch (why) {
    case 'denied':
      return notAllowed(what)
    case 'stopped':
      return new CallboardError('CB_E_STOPPED', `The broker was stopped while it tried ${what}.`)
    case 'disconnected':
      return unavailable(what, 'the connection was lost')
    case 'silence':
      return unavailable(what, 'it did not answer in time')
  }
}

export function unavailable(what: string, reason: string, cause?: unknown): CallboardError {
  return new CallboardError(
    'CB_E_BROKER_UNAVAILABLE',
    `The NATS server was asked ${what}, but ${reason}. Try again once it is back.`,
    cause === undefined ? {} : { cause },
  )
}

function notAllowed(what: string): CallboardError {
  return new CallboardError(
    'CB_E_BROKER_AUTH',
    `The permissions of this NATS user do not allow ${what}. Give its role what docs/how-to/nats-permissions.md lists.`,
  )
}

/** Nobody at all answers for JetStream, or the stream is gone. */
export function nobodyAnswers(what: string): CallboardError {
  return unavailable(what, 'nobody answers there: the stream is gone, has no leader, or JetStream is off')
}
