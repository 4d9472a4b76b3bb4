/**
 * The behaviours of Prefect that users of Callboard will look for, numbered. A test that shows one carries
 * `[prefect N]` in its title; a row without such a test says why under `instead`.
 */

export interface Behaviour {
  readonly n: number
  readonly what: string
  /** Why no test carries this number: where it comes, or why it does not apply. */
  readonly instead?: string
}

const GATEWAY = 'later: with the gateway'
const AUTOMATION = 'later: with events and automations'
const SCHEDULES = 'later: with deployments and schedules'

export const PREFECT_BEHAVIOURS: readonly Behaviour[] = [
  {
    n: 1,
    what: 'A task with three retries that always raises runs four times: Pending, Running, Retrying ×3, Failed',
  },
  { n: 2, what: 'The same task, succeeding on its second call, runs twice and ends Completed' },
  {
    n: 3,
    what: 'Delays as a number or a list, the last entry repeated; AwaitingRetry stands before each Retrying',
  },
  { n: 4, what: 'The run count inside the attempts is 1, 2, 3, 4; start times grow' },
  { n: 5, what: 'A returned Failed state is retried like a raised error' },
  { n: 6, what: 'The retry condition sees the failure, once for each; true means another attempt' },
  { n: 7, what: 'A global default of retries applies to tasks that name none' },
  { n: 8, what: 'The delay of attempt r is entry r of the list' },
  { n: 9, what: 'Past the end of the list its last delay is used' },
  { n: 10, what: 'Jitter never takes a delay beyond d · (1 + factor)' },
  { n: 11, what: 'With the retries spent, Failed is final' },
  { n: 12, what: 'A failure that must not be retried is final at once' },
  { n: 13, what: 'A flow with one retry that raises once runs twice and returns its result' },
  { n: 14, what: 'A flow retry does not run a completed task again' },
  { n: 15, what: 'A flow retry runs a failed task again' },
  {
    n: 16,
    what: 'One flow retry times one task retry: four calls of a task that fails throughout the first attempt',
  },
  { n: 17, what: 'One flow retry times two task retries, always failing: six calls, then the error' },
  { n: 18, what: 'A child run that completed is not run again by its parent’s retry' },
  { n: 19, what: 'A child run that failed is run anew by its parent’s retry; the first one stays Failed' },
  { n: 20, what: 'Retries of child and parent multiply: four child attempts' },
  { n: 21, what: 'A run that waits for a retry in its process is not handed to workers' },
  { n: 22, what: 'After the flow’s retries are spent a manual retry can still be sent' },
  { n: 23, what: 'A manual retry schedules the run again, also beyond its retries' },
  { n: 24, what: 'Failure hooks do not run for attempts that will be retried' },
  { n: 25, what: 'A pause that nobody resumes times out; the tasks behind it do not run' },
  { n: 26, what: 'A resume while paused lets the remaining tasks finish' },
  { n: 27, what: 'The same pause key a second time does not wait' },
  { n: 28, what: 'A pause called inside a task pauses its flow run' },
  { n: 29, what: 'A pause that asks for input hands the input back' },
  { n: 30, what: 'A pause may ask for a plain type' },
  { n: 31, what: 'A suspended run leaves its process; its state is PAUSED, Suspended' },
  {
    n: 32,
    what: 'What cannot be suspended says so',
    instead: 'does not apply: every run can be suspended here, child runs and runs without a deployment too',
  },
  { n: 33, what: 'A suspension that asks for input hands it over after the run was started again' },
  { n: 34, what: 'Pausing a run that is not running is rejected, its state unchanged' },
  {
    n: 35,
    what: 'What a paused run accepts: to go on, to end, to be cancelled; not PENDING, not another pause',
  },
  { n: 36, what: 'A resume after the time-out fails the run' },
  { n: 37, what: 'A resume of a run that is not paused is rejected' },
  { n: 38, what: 'A resume without required input is rejected; with defaults only it is accepted' },
  { n: 39, what: 'Input of a wrong type is rejected and the run stays paused' },
  {
    n: 40,
    what: 'Accepted input is stored; templates and variables in it are filled in',
    instead: 'in part: stored input is shown by [prefect 29]; templates come with variables',
  },
  { n: 41, what: 'Resuming does not raise the run count' },
  { n: 42, what: 'Expired pauses are failed, and nothing else' },
  {
    n: 43,
    what: 'Cancel of a running, pending or retrying run: Cancelling; of a scheduled one: Cancelled; of an ended one: refused',
  },
  { n: 44, what: 'CANCELLING takes nothing but CANCELLED' },
  { n: 45, what: 'With nothing to kill a cancel goes straight to Cancelled' },
  { n: 46, what: 'The order of a cancellation: kill, hooks, state; a process already gone is no obstacle' },
  { n: 47, what: 'SIGTERM, then SIGKILL after the grace period' },
  { n: 48, what: 'Task runs and child runs of a cancelled run are cancelled; ended ones are left alone' },
  { n: 49, what: 'A run that stays Cancelling past its time is Cancelled by the scheduler, once' },
  { n: 50, what: 'Whoever carries out cancellations survives a lost connection' },
  { n: 51, what: 'An interrupt in task or flow code crashes the run' },
  { n: 52, what: 'An exception after the user’s code has ended does not crash the run' },
  { n: 53, what: 'A failed start or a non-zero exit crashes the run with a hint' },
  { n: 54, what: 'Crashed, Cancelling and Paused are rejected on an ended run' },
  { n: 55, what: 'Cancellation hooks run only when cancelling, crash hooks in both cases' },
  {
    n: 56,
    what: 'Heartbeats only while running',
    instead: 'does not apply: liveness is one lease for each worker, not an event for each run',
  },
  { n: 57, what: 'The same transition twice is harmless: the first answer again' },
  { n: 58, what: 'PENDING after PENDING is rejected: the double-submit fence' },
  { n: 59, what: 'RUNNING before the scheduled time waits, in whole milliseconds' },
  { n: 60, what: 'Late keeps the start time; only a scheduled run can become Late' },
  { n: 61, what: 'A schedule makes each of its runs once', instead: SCHEDULES },
  { n: 62, what: 'A queue of higher priority goes before an older run of another queue' },
  {
    n: 63,
    what: 'The default queue cannot be deleted; priorities are re-packed',
    instead: 'in part: two queues may have the same priority, so that there is nothing to re-pack',
  },
  { n: 64, what: 'Workers and pools that went offline are shown so' },
  { n: 65, what: 'The same inputs twice: the second run is Cached with the same result' },
  { n: 66, what: 'A constant key across flow runs gives the first value again' },
  { n: 67, what: 'Past its expiration, or refreshed, a cached result is made anew' },
  { n: 68, what: 'Cache policies compose; conflicting storages are an error' },
  { n: 69, what: 'Serialised isolation without a lock is an error' },
  { n: 70, what: 'A result that cannot be serialised warns and the run completes' },
  {
    n: 71,
    what: 'A transaction that fails after a task completed rolls the task back: Completed, RolledBack',
  },
  { n: 72, what: 'Nested transactions commit lazily, eagerly or not at all' },
  { n: 73, what: 'A child’s rollback rolls its parent back' },
  { n: 74, what: 'A time-out is TimedOut, a failure and no crash' },
  {
    n: 75,
    what: 'A failed upstream makes a task NotReady; allowFailure hands the error over',
  },
  { n: 76, what: 'Mapping over unequal lengths is an error; unmapped values are constant' },
  {
    n: 77,
    what: 'Limit 1: the first runs, the second waits; a cancelling holder keeps its slot until Cancelled',
  },
  { n: 78, what: 'A limit of zero refuses; one run never takes two slots' },
  { n: 79, what: 'A full limit enqueues or cancels as its strategy says; an end frees the slot' },
  { n: 80, what: 'A slot whose lease was lost is renewed or taken anew' },
  {
    n: 81,
    what: 'A refused slot says when to ask again; a request beyond the limit and an unknown name are told apart',
  },
  { n: 82, what: 'Slots of a rate limit decay with time, and never below zero' },
  {
    n: 83,
    what: 'A background task run reaches exactly one worker, and another when not acknowledged',
  },
  { n: 84, what: 'Streams need authentication, then a filter; backfill is optional', instead: GATEWAY },
  { n: 85, what: 'A slow subscriber harms nobody else', instead: GATEWAY },
  { n: 86, what: 'Printing as logging: inherited, opted in, opted out, restored' },
  { n: 87, what: 'Triggers of automations fire once', instead: AUTOMATION },
  { n: 88, what: 'A generator task that is retried gives its values again from the first' },
  { n: 89, what: 'A run that holds a slot is not submitted twice; a double release is harmless' },
]
