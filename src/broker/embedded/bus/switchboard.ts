/**
 * The listeners of this process, all broker objects of one place together, and how a message or a question finds
 * them. Other processes are behind `Remote`.
 *
 * Invariants
 * (H1) A listener's calls come in turns of its own clock, in the order in which one publisher made them.
 * (H2) What waits at a listener is bounded. A publisher in this process is told (CB_E_BUSY); what comes from another
 *      one is dropped with a line in the log.
 * (H3) A question goes to the listeners of this process first and to other processes only when none of those
 *      answered. Nobody home means: no listener anywhere, and every process has said so.
 */

import { CallboardError } from '../../../core/index.ts'
import { patternSet } from './patterns.ts'

export interface Listener {
  /** It has as much to do as it may have waiting. */
  readonly full: boolean
  /**
   * Hands over a message (JSON text). Its answer, JSON text too; undefined when it answers nothing. Never rejects.
   * A full one drops the message and says so in the log.
   */
  deliver(subject: string, body: string): Promise<string | undefined>
}

/** The other processes of this machine. */
export interface Remote {
  publish(subject: string, body: string): void
  ask(subject: string, body: string, onEnd: (answer: RemoteAnswer) => void): () => void
}

export type RemoteAnswer =
  | { readonly is: 'answer'; readonly body: string }
  /** No process has a listener. When one has and stays silent, there is no end at all. */
  | { readonly is: 'nobody' }

export interface Switchboard {
  listen(pattern: string, listener: Listener): () => void
  /** Hands a message to every listener here and to every other process. @throws CB_E_BUSY */
  publish(subject: string, body: string): void
  /** Asks; `onEnd` is called once at most. What is returned ends the waiting. @throws CB_E_BUSY */
  ask(subject: string, body: string, onEnd: (answer: RemoteAnswer) => void): () => void
  /** A message from another process. */
  arrived(subject: string, body: string): void
  /** A question from another process: `undefined` at once when nobody listens here. */
  questioned(subject: string, body: string): Promise<string | undefined> | undefined
  connect(remote: Remote): void
}

/** In a process that has the store for itself. */
const nobodyElse: Remote = {
  publish() {},
  ask(_subject, _body, onEnd) {
    onEnd({ is: 'nobody' })
    return () => {}
  },
}

export function switchboard(): Switchboard {
  const listeners = patternSet<Listener>()
  let remote: Remote = nobodyElse

  const find = (subject: string): readonly Listener[] => listeners.match(subject)

  const refuseWhenFull = (found: readonly Listener[], subject: string) => {
    if (found.some((listener) => listener.full))
      throw new CallboardError(
        'CB_E_BUSY',
        `A listener on '${subject}' has too many messages waiting. Try again after a moment.`,
      )
  }

  return {
    listen(pattern, listener) {
      listeners.add(pattern, listener)
      return () => listeners.delete(pattern, listener)
    },

    publish(subject, body) {
      const found = find(subject)
      refuseWhenFull(found, subject)
      remote.publish(subject, body)
      for (const listener of found) listener.deliver(subject, body)
    },

    ask(subject, body, onEnd) {
      const found = find(subject)
      refuseWhenFull(found, subject)
      let cancel = () => {}
      let over = false
      const end = (answer: RemoteAnswer) => {
        if (over) return
        over = true
        cancel()
        onEnd(answer)
      }
      const askElsewhere = () => {
        if (over) return
        cancel = remote.ask(subject, body, (answer) => {
          if (answer.is === 'answer' || found.length === 0) end(answer)
        })
      }
      let silent = 0
      const heard = (answer: string | undefined) => {
        if (answer !== undefined) end({ is: 'answer', body: answer })
        else if (++silent === found.length) askElsewhere()
      }
      for (const listener of found) listener.deliver(subject, body).then(heard)
      if (found.length === 0) askElsewhere()
      return () => {
        over = true
        cancel()
      }
    },

    arrived(subject, body) {
      for (const listener of find(subject)) listener.deliver(subject, body)
    },

    questioned(subject, body) {
      const found = find(subject)
      if (found.length === 0) return undefined
      return new Promise((resolve) => {
        for (const listener of found)
          listener.deliver(subject, body).then((answer) => {
            if (answer !== undefined) resolve(answer)
          })
      })
    },

    connect(other) {
      remote = other
    },
  }
}
