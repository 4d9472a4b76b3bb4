/** What user code throws when trying again cannot help. Known by its field, so that any error can say so. */

/** Thrown (or any error with `retryable: false`): the task run or flow run is not tried again. */
export class NonRetryableError extends Error {
  override readonly name = 'NonRetryableError'
  readonly retryable = false
}
