/** A client's text as a frame, or what is wrong with it. */

import { Compile } from 'typebox/compile'
import {
  AuthFrame,
  type ClientFrame,
  type Fault,
  PingFrame,
  SignalFrame,
  StartFrame,
  SubscribeFrame,
  UnsubscribeFrame,
} from '../../api/index.ts'
import { faultsOf } from '../http/index.ts'

export type Parsed =
  | { readonly is: 'frame'; readonly frame: ClientFrame }
  /** A frame of a known kind with something wrong in it. */
  | { readonly is: 'faulty'; readonly id: number; readonly faults: readonly Fault[] }
  /** Nothing that could be answered. */
  | { readonly is: 'noise'; readonly why: string }

const FRAMES = {
  auth: Compile(AuthFrame),
  ping: Compile(PingFrame),
  signal: Compile(SignalFrame),
  start: Compile(StartFrame),
  subscribe: Compile(SubscribeFrame),
  unsubscribe: Compile(UnsubscribeFrame),
} as const

export function parseFrame(text: string): Parsed {
  const value = read(text)
  if (typeof value !== 'object' || value === null || !('op' in value))
    return { is: 'noise', why: 'a frame is a JSON object with an "op"' }
  const { op } = value
  if (!isOp(op)) return { is: 'noise', why: `"op" is one of ${Object.keys(FRAMES).join(', ')}` }
  const checker = FRAMES[op]
  if (checker.Check(value)) return { is: 'frame', frame: value }
  const id = 'id' in value && Number.isSafeInteger(value.id) ? Number(value.id) : undefined
  const faults = faultsOf(checker.Type(), value)
  if (id === undefined) {
    const fault = faults.find(({ path }) => path === 'id') ?? faults[0]
    return { is: 'noise', why: `${op}: ${fault?.path} ${fault?.message}` }
  }
  return { is: 'faulty', id, faults }
}

function isOp(op: unknown): op is keyof typeof FRAMES {
  return typeof op === 'string' && Object.hasOwn(FRAMES, op)
}

function read(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
