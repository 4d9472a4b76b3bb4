/** The other process of `audience.ts`: opens sockets when it is told to, and ends when its parent lets go. */

import { once } from 'node:events'
import { WebSocket } from 'ws'
import { MARK, type Opening, type Order, type Report } from './audience.ts'

/** Opened at a time. */
const TOGETHER = 100

const tell = (report: Report) => process.send?.(report)
const marks = new Map<string, string[]>()
let sockets = 0
let read = 0
let wanted = Infinity
let gaps = 0

function heard(text: string): void {
  if (text.startsWith('{"op":"gap"')) gaps++
  if (text.startsWith('{"op":"event"') && ++read === wanted)
    tell({ saw: 'all', at: String(process.hrtime.bigint()), gaps })
  const mark = MARK.exec(text)?.[1]
  if (mark === undefined) return
  const at = marks.get(mark) ?? []
  marks.set(mark, at)
  if (at.push(String(process.hrtime.bigint())) < sockets) return
  marks.delete(mark)
  tell({ saw: 'mark', mark, at })
}

async function open({ url, say }: Opening): Promise<void> {
  const socket = new WebSocket(url, 'callboard.v1')
  const isThere = Promise.withResolvers<void>()
  socket.on('message', (data) => {
    const text = String(data)
    if (text.startsWith('{"op":"subscribed"')) isThere.resolve()
    else if (text.startsWith('{"op":"reply"')) isThere.reject(new Error(text))
    else heard(text)
  })
  await once(socket, 'open')
  if (say === undefined) return
  socket.send(say)
  await isThere.promise
}

process.on('message', async (order: Order) => {
  if (order.do === 'count') {
    read = 0
    wanted = order.frames
    return
  }
  sockets = order.sockets
  for (let opened = 0; opened < sockets; opened += TOGETHER)
    await Promise.all(Array.from({ length: Math.min(TOGETHER, sockets - opened) }, () => open(order)))
  tell({ saw: 'open' })
})
process.once('disconnect', () => process.exit())
