/**
 * Every error code, once. A code is never reused for another meaning, and never removed: retired ones stay
 * with `retired: true`. `docs/reference/errors.md` is generated from this table and a test compares them.
 */

/**
 * Who must act: `terminal` the person, by changing something; `retryable` nobody, try again; `conflict` the
 * caller, by reading what is there now; `unknown` the caller, by finding out whether it happened.
 */
export type ErrorKind = 'terminal' | 'retryable' | 'conflict' | 'unknown'

export interface ErrorRow {
  readonly kind: ErrorKind
  /** HTTP status of the problem document. */
  readonly status: number
  /** What it means, in one sentence. */
  readonly meaning: string
  /** What the reader should do, in one sentence. */
  readonly remedy: string
}

export const ERRORS = {
  CB_E_ADDRESS: {
    kind: 'terminal',
    status: 500,
    meaning: 'The gateway cannot listen at the address it was given.',
    remedy: 'Choose another address or port, or end the program that listens there.',
  },
  CB_E_BODY_TOO_LARGE: {
    kind: 'terminal',
    status: 413,
    meaning: 'The body of a request is larger than the gateway takes.',
    remedy: 'Send less, or raise serverBodyLimit.',
  },
  CB_E_BROKER_AUTH: {
    kind: 'terminal',
    status: 503,
    meaning: 'The broker refused the credentials, or they do not allow what was tried.',
    remedy: 'Check user, password, token, credentials file or account permissions for this role.',
  },
  CB_E_BROKER_TOO_OLD: {
    kind: 'terminal',
    status: 503,
    meaning:
      'The broker is older than the oldest supported version, or too old for a setting that was asked for.',
    remedy: 'Upgrade the server to the version named, or drop the setting named.',
  },
  CB_E_BROKER_UNAVAILABLE: {
    kind: 'retryable',
    status: 503,
    meaning:
      'The broker did not answer in time; nothing says that it was done, and for a write nothing says that it was not.',
    remedy: 'Try again; writes of a run settle themselves by reading back.',
  },
  CB_E_BROKER_UNREACHABLE: {
    kind: 'retryable',
    status: 503,
    meaning: 'No connection to the broker could be made.',
    remedy: 'Check that the server runs at the address named and that this machine may reach it.',
  },
  CB_E_BROKER_URL: {
    kind: 'terminal',
    status: 500,
    meaning: 'The broker URL is malformed, or its scheme is not one that is known.',
    remedy: 'Give embedded:<folder>, memory:, or nats://host:port.',
  },
  CB_E_BUG: {
    kind: 'terminal',
    status: 500,
    meaning: 'Something happened that the code holds to be impossible.',
    remedy: 'Please report it with the message and the log lines before it.',
  },
  CB_E_BUSY: {
    kind: 'retryable',
    status: 429,
    meaning: 'A bounded buffer is full.',
    remedy: 'Try again after a moment; if it persists, the consumer behind the buffer is too slow or gone.',
  },
  CB_E_CACHE_POLICY: {
    kind: 'terminal',
    status: 500,
    meaning:
      'Cache policies were put together that contradict each other, or one needs what it was not given.',
    remedy: 'Give both parts the same storage, isolation and lock, or give SERIALIZABLE a lock.',
  },
  CB_E_CATALOG_EXISTS: {
    kind: 'terminal',
    status: 409,
    meaning: 'A work pool, queue, deployment, variable, block or key of that name is there already.',
    remedy: 'Change the one that is there, or choose another name.',
  },
  CB_E_CATALOG_INVALID: {
    kind: 'terminal',
    status: 422,
    meaning: 'A work pool, queue, deployment, variable, block or key is not as its kind has to be.',
    remedy: 'Correct the fields that the message names.',
  },
  CB_E_CATALOG_MISSING: {
    kind: 'terminal',
    status: 404,
    meaning: 'There is no work pool, queue, deployment, variable, block or key of that name.',
    remedy: 'List those that there are; names are written exactly.',
  },
  CB_E_CODE_LOAD: {
    kind: 'terminal',
    status: 500,
    meaning: 'The file of a flow cannot be loaded, or does not export the flow that its entry point names.',
    remedy: 'Correct the entry point (file.ts:export), or the file, as the message says.',
  },
  CB_E_CODE_MISSING: {
    kind: 'terminal',
    status: 500,
    meaning: 'There is no file where an entry point says that a flow is.',
    remedy:
      'Correct the path, or see that the code is where it runs: workers look in the folder of the deployment.',
  },
  CB_E_CODE_START: {
    kind: 'retryable',
    status: 500,
    meaning: "A process for a run's code could not be started.",
    remedy: 'See to the limits of the machine for processes, memory and open files, then retry the run.',
  },
  CB_E_CONFIG_FILE: {
    kind: 'terminal',
    status: 500,
    meaning:
      'The .env file or the configuration file cannot be read, cannot be run, or does not hold what it should.',
    remedy:
      'See the cause; a configuration file ends in export default { … } and runs with node as it stands.',
  },
  CB_E_CONTENDED: {
    kind: 'retryable',
    status: 409,
    meaning: 'Others wrote to the same run just before, several times in a row; nothing was written.',
    remedy: 'Try again after a moment.',
  },
  CB_E_CONTEXT_MISSING: {
    kind: 'terminal',
    status: 500,
    meaning: 'Something that belongs to a run was used outside of one.',
    remedy: 'Call it inside a flow or a task, or use the function for outside that the message names.',
  },
  CB_E_CURSOR_INVALID: {
    kind: 'terminal',
    status: 400,
    meaning: 'The cursor is not one that this broker gave out.',
    remedy: 'Use a cursor as it was received, or start from "start" or "tail".',
  },
  CB_E_CURSOR_LOST: {
    kind: 'terminal',
    status: 410,
    meaning: 'The cursor points past the end of the log: the broker was wiped or replaced behind our back.',
    remedy:
      'Rebuild what was derived from the log (start again from "start") and find out who emptied the broker.',
  },
  CB_E_DEFINITION_DUPLICATE: {
    kind: 'terminal',
    status: 500,
    meaning: 'Two different functions were made flows, or tasks, under one name in one process.',
    remedy: 'Give one of them another name; a name identifies its flow or task for ever.',
  },
  CB_E_DEFINITION_INVALID: {
    kind: 'terminal',
    status: 500,
    meaning: 'Something that is not a named function was made a flow or a task.',
    remedy: 'Hand over a function, and a name when the function has none.',
  },
  CB_E_DEPLOYMENT_AMBIGUOUS: {
    kind: 'terminal',
    status: 409,
    meaning: 'A run was asked of a flow that has several deployments, and none of them is meant by default.',
    remedy: 'Name the deployment, as flow/name.',
  },
  CB_E_DURATION_INVALID: {
    kind: 'terminal',
    status: 400,
    meaning: 'A duration cannot be read, or is shorter or longer than what is allowed.',
    remedy:
      "Give a number of seconds, or a text such as '250ms', '10m', '1h30m' or '2d', within the limits named.",
  },
  CB_E_FENCED: {
    kind: 'conflict',
    status: 409,
    meaning: 'The run was taken from this process: another one hosts it, or it has ended or been archived.',
    remedy: 'Do nothing; whoever has the run now goes on with it.',
  },
  CB_E_FLOW_UNKNOWN: {
    kind: 'terminal',
    status: 404,
    meaning: 'There is no flow of that name here.',
    remedy: 'Register the flow in this process, or let a worker that has it take the run.',
  },
  CB_E_FORBIDDEN: {
    kind: 'terminal',
    status: 403,
    meaning: 'Who asks is known, and may not do that.',
    remedy:
      'Use a key with the scope named, or one that is not bound to other runs; for a page, list its origin.',
  },
  CB_E_JETSTREAM_OFF: {
    kind: 'terminal',
    status: 503,
    meaning: 'The NATS server or account has JetStream switched off.',
    remedy: 'Start nats-server with -js, or enable JetStream for the account.',
  },
  CB_E_JSON: {
    kind: 'terminal',
    status: 400,
    meaning: 'A text that should be JSON, or tagged JSON, is not.',
    remedy: 'See the position named; if it was read from the broker, something else wrote there.',
  },
  CB_E_KEYS_NEEDED: {
    kind: 'terminal',
    status: 500,
    meaning: 'The gateway was to listen where others can reach it, and there is no API key yet.',
    remedy: 'Make a key first, listen on 127.0.0.1, or say --insecure if something else keeps strangers out.',
  },
  CB_E_LIMIT_EXCEEDED: {
    kind: 'terminal',
    status: 422,
    meaning: 'More slots were asked for than the concurrency limit has; it can never be served.',
    remedy: 'Ask for fewer slots, or raise the limit named.',
  },
  CB_E_LIMIT_INVALID: {
    kind: 'terminal',
    status: 422,
    meaning: 'The definition of a concurrency limit has a field that is not allowed.',
    remedy: 'Correct the field named.',
  },
  CB_E_LIMIT_NO_DECAY: {
    kind: 'terminal',
    status: 422,
    meaning: 'A rate was asked of a concurrency limit without slot decay.',
    remedy: 'Give the limit named a decay per second, or use it as a plain concurrency limit.',
  },
  CB_E_LIMIT_UNKNOWN: {
    kind: 'terminal',
    status: 404,
    meaning: 'A strict request names a concurrency limit that does not exist.',
    remedy: 'Create the limit named, or ask without strict.',
  },
  CB_E_LOG_DIVERGED: {
    kind: 'terminal',
    status: 503,
    meaning: "A run's log says another state than its records lead to with the charts of this version.",
    remedy:
      'Do not let this version go on with the run; report it with the record named, and use the release that wrote it.',
  },
  CB_E_LOG_NO_MIGRATION: {
    kind: 'terminal',
    status: 503,
    meaning: 'A log was written in an older format that this version cannot read any more.',
    remedy: 'Use a release that reads it; nothing was touched.',
  },
  CB_E_MAP_LENGTHS: {
    kind: 'terminal',
    status: 422,
    meaning: 'What a task is to be mapped over has different lengths.',
    remedy: 'Map over lists of the same length; wrap what is the same for all in unmapped().',
  },
  CB_E_MAP_NOTHING: {
    kind: 'terminal',
    status: 422,
    meaning: 'A task was mapped, and none of its arguments can be gone through.',
    remedy: 'Hand over at least one list or other iterable that is not wrapped in unmapped().',
  },
  CB_E_NAME_INVALID: {
    kind: 'terminal',
    status: 400,
    meaning: 'A subject, queue, bucket or key has a character that is not allowed, or a wrong length.',
    remedy: 'Use 1 to 64 characters of A-Z, a-z, 0-9, _ and - for each token.',
  },
  CB_E_OBJECT_MISSING: {
    kind: 'terminal',
    status: 404,
    meaning: 'An object that a record refers to is not in the object store.',
    remedy: 'Check retention of the object store; the value cannot be read any more.',
  },
  CB_E_OPTION_INVALID: {
    kind: 'terminal',
    status: 500,
    meaning: 'An option has a value that is not allowed, or contradicts another one.',
    remedy: 'Change the option named.',
  },
  CB_E_OPTION_UNKNOWN: {
    kind: 'terminal',
    status: 500,
    meaning: 'There is no option of that name.',
    remedy: 'Correct the name (the nearest known one is given) or remove it.',
  },
  CB_E_PAGE_CURSOR: {
    kind: 'terminal',
    status: 400,
    meaning: 'The cursor of a page is not one that this list gave out.',
    remedy: 'Give back the `next` of the page before as it was received, with the same filter and order.',
  },
  CB_E_PARAMETERS_INVALID: {
    kind: 'terminal',
    status: 422,
    meaning: "A flow's parameters are not what its schema asks for.",
    remedy: 'Correct the parameters at the paths named; nothing of the flow was run.',
  },
  CB_E_PAYLOAD_TOO_LARGE: {
    kind: 'terminal',
    status: 413,
    meaning: 'A record, batch, queue item, message or key-value is larger than its limit.',
    remedy: 'Store the value with persistResult or hand over a reference; nothing was written.',
  },
  CB_E_RATE_LIMITED: {
    kind: 'retryable',
    status: 429,
    meaning: 'One key, or one address, asked too often.',
    remedy: 'Wait as long as the answer says, and ask less often.',
  },
  CB_E_RECORD_INVALID: {
    kind: 'terminal',
    status: 422,
    meaning: 'What was to be written to the log of a run is not of the shape that a reader of it expects.',
    remedy: 'Correct what the code gives at the place named; nothing was written and the run is intact.',
  },
  CB_E_REPLAY_MISMATCH: {
    kind: 'terminal',
    status: 409,
    meaning: "A flow's code, run again, made other calls than those that stand in the log.",
    remedy:
      'Finish such runs with the code that began them, or keep the calls and their order the same from one execution to the next.',
  },
  CB_E_REQUEST_INVALID: {
    kind: 'terminal',
    status: 400,
    meaning: 'A request, or a frame of the live socket, is not as its schema has it.',
    remedy: 'Correct the fields that the answer names.',
  },
  CB_E_RESULT_MISSING: {
    kind: 'terminal',
    status: 410,
    meaning: 'The result of a run was not stored, and the process that had it is gone.',
    remedy: 'Return something that can be stored, or leave persistResult on.',
  },
  CB_E_ROUTE_UNKNOWN: {
    kind: 'terminal',
    status: 404,
    meaning: 'The gateway has nothing at that path, for that method.',
    remedy: 'Check the path and the method; /api/docs lists what there is.',
  },
  CB_E_RUN_CANCELLED: {
    kind: 'terminal',
    status: 409,
    meaning: 'The run whose result was asked for was cancelled.',
    remedy: 'Look at who cancelled it; retry the run to have a result.',
  },
  CB_E_RUN_CRASHED: {
    kind: 'terminal',
    status: 500,
    meaning: 'The run whose result was asked for crashed: its infrastructure was lost, or ended it.',
    remedy: 'See its message and log; retry the run.',
  },
  CB_E_RUN_FAILED: {
    kind: 'terminal',
    status: 500,
    meaning: 'The run whose result was asked for failed.',
    remedy: 'See its message and its log; retry the run.',
  },
  CB_E_RUN_MISSING: {
    kind: 'terminal',
    status: 404,
    meaning: 'There is no run of that id, or it is archived.',
    remedy: 'Check the id; archived runs can be read from the archive only.',
  },
  CB_E_RUN_NOT_ENDED: {
    kind: 'conflict',
    status: 409,
    meaning: 'Something was asked of a run that can only be had once it has ended.',
    remedy: 'Wait for its end, or cancel it first.',
  },
  CB_E_SETTING_INVALID: {
    kind: 'terminal',
    status: 500,
    meaning: 'A setting has a value that is not allowed.',
    remedy: 'Change the variable or option named to one of the values named.',
  },
  CB_E_SETTING_UNKNOWN: {
    kind: 'terminal',
    status: 500,
    meaning: 'A setting with the CALLBOARD_ prefix, or an option in the configuration file, is not known.',
    remedy: 'Correct the name (the nearest known one is given) or remove it.',
  },
  CB_E_SIGNAL_REJECTED: {
    kind: 'conflict',
    status: 409,
    meaning: 'A run does not take that signal in the state it is in, or not with that payload.',
    remedy: 'Send one of the signals named, or correct the payload at the paths named.',
  },
  CB_E_SLOTS_UNKEPT: {
    kind: 'retryable',
    status: 503,
    meaning: 'No scheduler could say which slots of a concurrency limit are held.',
    remedy: 'Try again in a moment; a gateway or a worker has to run.',
  },
  CB_E_STOPPED: {
    kind: 'terminal',
    status: 503,
    meaning:
      'A part with a life (a broker, a worker, a gateway) was used before it was started or after it was stopped.',
    remedy: 'Start it first, and make a new one instead of using a stopped one.',
  },
  CB_E_STORE_DAMAGED: {
    kind: 'terminal',
    status: 503,
    meaning: 'The embedded store, or an entry in a log, cannot be read as what it claims to be.',
    remedy: 'Restore from a backup; what can be read is still readable with callboard log export.',
  },
  CB_E_STORE_FOREIGN: {
    kind: 'terminal',
    status: 503,
    meaning: 'The folder or stream exists and is not ours.',
    remedy: 'Give an empty folder, or one that Callboard made.',
  },
  CB_E_STORE_FULL: {
    kind: 'retryable',
    status: 507,
    meaning: 'The disk, or the quota of the broker, is full; nothing was written.',
    remedy: 'Free space or raise the quota, then it goes on by itself.',
  },
  CB_E_STORE_TOO_NEW: {
    kind: 'terminal',
    status: 503,
    meaning: 'The store or an entry was written by a newer version of Callboard.',
    remedy: 'Upgrade this process to at least the version named; nothing was touched.',
  },
  CB_E_STORE_UNWRITABLE: {
    kind: 'terminal',
    status: 503,
    meaning: 'The folder of the embedded store cannot be made, read or written.',
    remedy: 'Give this user write permission for the folder, or name another one.',
  },
  CB_E_STREAM_DRIFT: {
    kind: 'terminal',
    status: 503,
    meaning: 'A stream or consumer at the broker is configured otherwise than Callboard needs it.',
    remedy: 'Change the field named at the broker, or give another prefix.',
  },
  CB_E_TASK_NOT_READY: {
    kind: 'terminal',
    status: 409,
    meaning: 'A task was not run, because a run that it depends on did not complete.',
    remedy: 'Look at the run named; use allowFailure() or another trigger to run the task all the same.',
  },
  CB_E_TIMEOUT: {
    kind: 'unknown',
    status: 408,
    meaning: 'What was waited for did not come in the time given; it may still come.',
    remedy: 'Wait longer, or ask for the state.',
  },
  CB_E_TRANSACTION: {
    kind: 'terminal',
    status: 500,
    meaning: 'A transaction was used after it had ended, or could not be committed.',
    remedy: 'See the message and its cause.',
  },
  CB_E_UNAUTHENTICATED: {
    kind: 'terminal',
    status: 401,
    meaning: 'There was no token, or it is unknown, revoked or has run out.',
    remedy: 'Send "Authorization: Bearer <key>" with a key that is valid.',
  },
  CB_E_URL_OPTION: {
    kind: 'terminal',
    status: 500,
    meaning: 'The broker URL carries an option that is unknown or has a wrong value.',
    remedy: 'Correct the option named.',
  },
  CB_E_VALUE_UNSERIALISABLE: {
    kind: 'terminal',
    status: 422,
    meaning: 'A value holds something that cannot be stored, such as a function, a symbol or a cycle.',
    remedy: 'Return plain data; the path to the offending part is named.',
  },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERRORS
