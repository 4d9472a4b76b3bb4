/**
 * The other processes of this machine that have the same store open.
 *
 * Invariants
 * (R1) Whoever starts, listens first, then registers, then dials everybody who is registered; whoever is dialled
 *      dials back before it welcomes. So of two processes each has a link to the other, whichever came first, and
 *      who has started can be asked.
 * (R2) A registration is removed by its own process when it stops, or by one that was refused at its socket:
 *      nobody listens there any more. A process that merely hangs keeps it.
 * (R3) A link that is lost is dialled again as long as the other process is registered.
 */

import { type Deps, mintId, type Timer } from '../../../core/index.ts'
import { dial, type Link, type LinkEnd } from './link.ts'
import { type Caller, openReception } from './reception.ts'
import { chooseSocketPath, isRegistered, register, registrations, unregister } from './registry.ts'
import type { Remote, RemoteAnswer, Switchboard } from './switchboard.ts'

const DIAL_AGAIN_MS = 500

export interface Peers {
  /** No other process has the store open, as far as this one knows. One that starts makes itself known before it has started. */
  readonly alone: boolean
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

  /** Resolves when the peer has welcomed this process, hangs, or is gone. */
  function link(peer: Caller): Promise<void> {
    if (stopped || peer.id === id || links.has(peer.id)) return Promise.resolve()
    return new Promise((resolve) => {
      const ended = (how: LinkEnd, why: string) => {
        links.delete(peer.id)
        resolve()
        if (stopped) return
        if (how === 'refused') forget(peer)
        else linkLost(peer, how, why)
      }
      links.set(peer.id, dial(peer.socket, self, { greeted: resolve, ended }, deps.clock))
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
  function linkLost(peer: Caller, how: LinkEnd, why: string): void {
    if (how === 'cut') logger.warn({ peer: peer.id, why }, 'a link to another process was cut')
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
  await Promise.all(others.map(link))
  board.connect(remoteOver(links))

  return {
    get alone() {
      return links.size === 0 && reception.callers === 0
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
      const able = [...links.values()].filter((peer) => !peer.hangs)
      left = able.length
      if (left === 0) onEnd({ is: 'nobody' })
      for (const peer of able) asked.set(peer, peer.ask(subject, body, heard))
      return () => {
        for (const [peer, question] of asked) peer.forget(question)
      }
    },
  }
}
