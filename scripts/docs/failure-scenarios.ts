/** Forty ways things go wrong. A test that shows one carries `[scenario N]` in its title. */

import type { Behaviour } from './prefect-behaviours.ts'

export const FAILURE_SCENARIOS: readonly Behaviour[] = [
  {
    n: 1,
    what: 'Two writers on one revision: one appended, one conflict, which folds the other in and lands behind it or is ignored',
  },
  { n: 2, what: '32 writers × 20 events on one run: 640 accepted, revisions without gap, none lost' },
  {
    n: 3,
    what: 'The acknowledgement is lost after the store: the repeat reports appended, exactly one entry',
  },
  {
    n: 4,
    what: 'The acknowledgement is lost and another writer appends: the repeat recognises its own nonce',
  },
  { n: 5, what: 'The broker stalls and the write lands later: unknown, settled by reading, never forked' },
  { n: 6, what: 'The same creation twice under one key: the second caller gets the first run’s id' },
  { n: 7, what: 'A creation under an archived id is refused by the tombstone' },
  { n: 8, what: 'A record too large: a typed error before the append, the run not stuck' },
  { n: 9, what: 'kill -9 between append and effects: the effects are performed all the same' },
  { n: 10, what: 'The performer dies after publishing: the target deduplicates, one item' },
  { n: 11, what: 'Two holders of a partition overlap: nothing older overwrites anything newer' },
  { n: 12, what: 'Queue full, or performer stopped, while runs move on: no effect is lost' },
  { n: 13, what: 'A signal to a run nobody hosts is applied by its sender' },
  {
    n: 14,
    what: 'A signal while the host is frozen is applied; the host folds it in when it wakes, its stale append conflicts',
  },
  { n: 15, what: 'A false “nobody home” gives the same result, no transition twice' },
  { n: 16, what: 'The same signal twice: one transition, both get the same answer' },
  { n: 17, what: 'A pause races completion: exactly one wins, the other is told the final state' },
  { n: 18, what: 'Cancel of an ended run: rejected, nothing appended' },
  { n: 19, what: 'A guard or assignment throws: the run is intact, the event recorded, the next one works' },
  { n: 20, what: 'A worker dies before its claim is in the log: the item comes again, attempt 1' },
  { n: 21, what: 'It dies after the claim, before acknowledging: the item is stale and dropped' },
  { n: 22, what: 'It dies in user code: another attempt elsewhere' },
  { n: 23, what: 'A worker frozen past its lease wakes: its results are refused, its code is told to stop' },
  { n: 24, what: 'A report is lost: sent again, accepted once' },
  { n: 25, what: 'Drain: no new claims, running runs finish or are handed over' },
  { n: 26, what: '1,000 ready, 10 slots: never more than 10 held' },
  {
    n: 27,
    what: 'The holder of the timers is killed: each fires, late by at most the lease and a second, accepted once',
  },
  { n: 28, what: 'Two holders fire: each timer accepted once, the doubles append nothing' },
  { n: 29, what: 'A cancel races a timer: either order is legal, a cancelled timer never moves a run' },
  { n: 30, what: 'A timer forty days ahead survives restarts' },
  { n: 31, what: 'The clock jumps an hour either way: nothing fires early' },
  { n: 32, what: '10,000 timers in one second: all fire, appends bounded' },
  {
    n: 33,
    what: 'The broker restarts under load: nothing acknowledged lost, readers go on from their cursor',
  },
  {
    n: 34,
    what: 'The broker is away for a minute: the client lives, writes wait or say so',
    instead: 'in part: the driver’s share; the gateway’s answers come with it',
  },
  { n: 35, what: 'The broker’s data is wiped: noticed, no cursor silently reused' },
  { n: 36, what: 'A drifted stream, or replicas on a server too old: start refused, field named' },
  { n: 37, what: 'Archiving one run leaves the pending messages of all others; a purge is refused' },
  { n: 38, what: 'A gateway dies in the middle of projecting: it goes on; a rebuilt table is equal' },
  { n: 39, what: 'A socket that does not read is bounded and cut with a cursor' },
  { n: 40, what: 'A run of 10,000 tasks: small snapshots of the flow, few appends, old logs load' },
]
