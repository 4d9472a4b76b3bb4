/**
 * The other processes of this machine that have the same store open.
 *
 * Invariants
 * (R1) Whoever starts, listens first, then registers, then dials everybody who is registered; whoever is dialled
 *      dials back. So of two processes each has a link to the other, whichever came first.
 * (R2) A registration is removed by its own process when it stops, or by one that was refused at its socket:
 *      nobody listens there any more. A process that merely hangs keeps it.
 * (R3) A link that is lost is dialled again as long as the other process is registered.
 */

import { type Deps, mintId, type Timer } from '../../../core/index.ts'
import { dial, type Link } from './link.ts'
import { type Caller, openReception } from './reception.ts'
import { chooseSocketPath, isRegistered, register, registrations, unregister } from './registry.ts'
import type { Remote, RemoteAnswer, Switchboard } from './switchboard.ts'

/** How long a start waits for the welcome of a process that hangs. */
const WELCOME_TIMEOUT_MS = 500
const DIAL_AGAIN_MS = 500

export interface Peers {
  /** How many processes this one can ask. For tests and status. */
  readonly count: number
  stop(): Promise<void>
}

/** Joins the processes registered in `folder`; resolves when every one of them that answers is linked. */
export async function joinPeers(folder: string, board: Switchboard, deps: Deps): Promise<Peers> {
  const id = `${process.pid}-${mintId(deps)}`
  const logger = deps.logger.child({ part: 'bus' })
  const links = new Map<string, Link>()
  const timers = new Set<Timer>()
  let stopped = false
  const self = { id, pid: process.pid, socket: await chooseSocketPath(folder, id) }

  /** Resolves when the peer has welcomed this process, or will not. */
  function link(peer: Caller): Promise<void> {
    if (stopped || peer.id === id || links.has(peer.id)) return Promise.resolve()
    return new Promise((resolve) => {
      const made = dial(peer.socket, self, {
        welcomed: resolve,
        ended(how, why) {
          links.delete(peer.id)
          resolve()
          if (stopped) return
          if (how === 'refused') forget(peer)
          else linkLost(peer, why)
        },
      })
      links.set(peer.id, made)
    })
  }

  /** (R2) */
  function forget(peer: Caller): void {
    unregister(folder, peer).catch((error: unknown) =>
      logger.warn(
        { error, peer: peer.id },
        'the registration of a process that is gone could not be removed',
      ),
    )
  }

  async function redial(peer: Caller): Promise<void> {
    if (await isRegistered(folder, peer.id)) await link(peer)
  }

  /** (R3) */
  function linkLost(peer: Caller, why: string): void {
    logger.debug({ peer: peer.id, why }, 'lost the link to another process')
    const timer = deps.clock.setTimer(
      DIAL_AGAIN_MS,
      () => {
        timers.delete(timer)
        redial(peer)
      },
      { ref: false },
    )
    timers.add(timer)
  }

  const reception = await openReception(self.socket, { board, logger, onCaller: link })
  await register(folder, self)
  const others = await registrations(folder)
  await withinTime(deps, Promise.all(others.map(link)))
  board.connect(remoteOver(links))

  return {
    get count() {
      return [...links.values()].filter((peer) => peer.welcomed).length
    },
    async stop() {
      stopped = true
      for (const timer of timers) timer.cancel()
      await unregister(folder, self)
      for (const peer of links.values()) peer.close()
      await reception.close()
    },
  }
}

function remoteOver(links: ReadonlyMap<string, Link>): Remote {
  return {
    publish(subject, body) {
      for (const peer of links.values()) peer.send(subject, body)
    },
    ask(subject, body, onEnd) {
      const asked = new Map<Link, number>()
      let left = 0
      const heard = (answer: RemoteAnswer) => {
        left--
        if (answer.is === 'answer' || left === 0) onEnd(answer)
      }
      const able = [...links.values()].filter((peer) => peer.welcomed)
      left = able.length
      if (left === 0) onEnd({ is: 'nobody' })
      for (const peer of able) asked.set(peer, peer.ask(subject, body, heard))
      return () => {
        for (const [peer, question] of asked) peer.forget(question)
      }
    },
  }
}

async function withinTime(deps: Deps, work: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<void>()
  const timer = deps.clock.setTimer(WELCOME_TIMEOUT_MS, late.resolve)
  await Promise.race([work, late.promise])
  timer.cancel()
}
