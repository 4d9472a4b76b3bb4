/**
 * Appending: one publish that names the entry it builds on, and what follows when its answer is not a plain yes.
 *
 * Invariants
 * (A1) The message id is subject and expected revision. The server looks for it before it compares sequences, so within
 *      the dedup window at most one entry per revision is stored, whatever is sent again, and by whomever.
 * (A2) `appended` is answered only when the entry at `expect + 1` is known to carry this append's nonce: its own
 *      acknowledgement says so, or it was read back.
 * (A3) `conflict` is answered only when another entry is known to stand there, or the subject is not at `expect`.
 * (A4) Every other end of a try is "not known": it is tried again with the same id and nonce until `settleMs` is over.
 */

import { CallboardError, isCallboardError, sleep } from '../../core/index.ts'
import { checkRecords, checkToken } from '../checks.ts'
import type { AppendOptions, AppendOutcome, Cursor, Rev } from '../port.ts'
import { cursorOf, positionIn } from './cursors.ts'
import { encodeEntry, marksAfter, SPANS, type Tip } from './entries.ts'
import { unavailable } from './failures.ts'
import type { LogHome } from './log-home.ts'
import { entryAt, type Found, lastEntry } from './log-read.ts'
import { unsettled } from './writes.ts'

interface Draft {
  readonly subject: string
  readonly natsSubject: string
  /** (A1) */
  readonly id: string
  readonly expect: Rev
  readonly nonce: string
  /** As the text of one JSON list. */
  readonly records: string
  readonly tombstone: boolean
  readonly after: Cursor | undefined
}

/** Room for subject, reply and headers beside the body. */
const ENVELOPE_BYTES = 1024
const NONCE_BYTES = 12
const PAUSE_MS = 20
const PAUSE_JITTER_MS = 30

export async function appendEntry(
  home: LogHome,
  settleMs: number,
  subject: string,
  records: readonly string[],
  options: AppendOptions,
  tombstone = false,
): Promise<AppendOutcome> {
  home.link.assertRunning()
  const draft = draftOf(home, subject, records, options, tombstone)
  return home.writes.run(draft.records.length, () => settle(home, draft, settleMs))
}

/** @throws CB_E_NAME_INVALID, CB_E_PAYLOAD_TOO_LARGE, CB_E_JSON */
function draftOf(
  home: LogHome,
  subject: string,
  records: readonly string[],
  { after, expect, nonce }: AppendOptions,
  tombstone: boolean,
): Draft {
  checkToken('subject', subject)
  if (nonce !== undefined) checkToken('nonce', nonce)
  const text = checkRecords(subject, records)
  return {
    subject,
    natsSubject: home.names.logSubject(subject),
    id: `${subject}@${expect}`,
    expect,
    nonce: nonce ?? freshNonce(home),
    records: text,
    tombstone,
    after,
  }
}

function freshNonce(home: LogHome): string {
  return Buffer.from(home.link.deps.random.bytes(NONCE_BYTES)).toString('base64url')
}

async function settle(home: LogHome, draft: Draft, settleMs: number): Promise<AppendOutcome> {
  const { clock, random } = home.link.deps
  const until = clock.monotonic() + settleMs
  let cause: unknown
  for (;;) {
    try {
      const outcome = await attempt(home, draft, until)
      if (outcome) return outcome
    } catch (error) {
      if (!isUnsettled(error)) throw error
      cause = error
    }
    // (A4)
    if (!(await home.link.whenUp(until)) || clock.monotonic() >= until)
      return { outcome: 'unknown', cause: cause ?? unavailable('to append', 'it never gave a clear answer') }
    await sleep(clock, PAUSE_MS + random.next() * PAUSE_JITTER_MS)
  }
}

function isUnsettled(error: unknown): boolean {
  return isCallboardError(error, 'CB_E_BROKER_UNAVAILABLE') || isCallboardError(error, 'CB_E_STOPPED')
}

/** One try; undefined when nothing is known and it should be tried again. */
async function attempt(home: LogHome, draft: Draft, until: number): Promise<AppendOutcome | undefined> {
  const { clock } = home.link.deps
  const base = home.tips.at(draft.subject, draft.expect) ?? toldOf(home, draft) ?? (await tipAt(home, draft))
  if (!base) return judge(home, draft)
  const timeoutMs = Math.max(1, Math.min(home.link.callTimeoutMs, until - clock.monotonic()))
  const body = bodyOf(home, draft, base)
  const written = await home.writes.send(
    { subject: draft.natsSubject, body, id: draft.id, expect: base.seq },
    timeoutMs,
  )
  switch (written.is) {
    case 'stored':
      return written.duplicate
        ? recognise(home, draft, written.seq)
        : appended(home, draft, { ...tipOf(draft, base), seq: written.seq })
    case 'outdated':
      home.tips.drop(draft.subject)
      return judge(home, draft)
    case 'lost':
    case 'not now':
      throw unsettled(written, `to append to ${draft.subject}`)
  }
}

function tipOf(draft: Draft, base: Tip): Omit<Tip, 'seq'> {
  return { rev: draft.expect + 1, marks: marksAfter(base), tombstone: draft.tombstone }
}

/** @throws CB_E_PAYLOAD_TOO_LARGE */
function bodyOf(home: LogHome, draft: Draft, base: Tip): Buffer {
  const { rev, marks } = tipOf(draft, base)
  const body = Buffer.from(encodeEntry(rev, draft.nonce, marks, draft.records, draft.tombstone))
  const most = home.maxPayload - ENVELOPE_BYTES
  if (body.length > most)
    throw new CallboardError(
      'CB_E_PAYLOAD_TOO_LARGE',
      `The entry for '${draft.subject}' has ${body.length} bytes with everything around its records; this NATS server takes ${most}. Nothing was written. Append fewer records at a time.`,
      { details: { bytes: body.length, limit: most } },
    )
  return body
}

/** What the caller says of the entry at `expect`, as long as that can have no marks; of another stream it says nothing. */
function toldOf(home: LogHome, { after, expect }: Draft): Tip | undefined {
  if (after === undefined || expect > SPANS[0]) return undefined
  const position = positionIn(after)
  if (position?.stream !== home.identity) return undefined
  return { rev: expect, seq: position.seq, marks: [], tombstone: false }
}

async function tipAt(home: LogHome, draft: Draft): Promise<Tip | undefined> {
  await lastEntry(home, draft.subject)
  return home.tips.at(draft.subject, draft.expect)
}

/** The server has stored this id before: by us, or by somebody else on the same revision. */
async function recognise(home: LogHome, draft: Draft, seq: number): Promise<AppendOutcome | undefined> {
  const last = await lastEntry(home, draft.subject)
  if (last?.decoded.tip.seq === seq && isOurs(draft, last)) return appendedAs(last)
  return judge(home, draft)
}

/** Reads what stands at `expect + 1`; undefined when nothing does, so that the append may land yet. */
async function judge(home: LogHome, draft: Draft): Promise<AppendOutcome | undefined> {
  const last = await lastEntry(home, draft.subject, { certain: true })
  const { rev, tombstone } = last?.entry ?? { rev: 0, tombstone: false }
  if (!last || rev <= draft.expect)
    return rev === draft.expect && !tombstone ? undefined : { outcome: 'conflict', rev }
  const there =
    rev === draft.expect + 1 || tombstone
      ? last
      : await entryAt(home, draft.subject, draft.expect + 1, last.decoded.tip)
  return there && isOurs(draft, there) ? appendedAs(there) : { outcome: 'conflict', rev }
}

/** (A2) */
function isOurs(draft: Draft, { entry }: Found): boolean {
  return entry.rev === draft.expect + 1 && entry.nonce === draft.nonce
}

function appendedAs({ entry }: Found): AppendOutcome {
  return { outcome: 'appended', rev: entry.rev, cursor: entry.cursor }
}

function appended(home: LogHome, draft: Draft, tip: Tip): AppendOutcome {
  home.tips.put(draft.subject, tip)
  return { outcome: 'appended', rev: tip.rev, cursor: cursorOf(home.identity, tip.seq) }
}
