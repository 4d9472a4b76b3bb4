/** What is written on a command line, as values. */

export { confirmed } from './confirm.ts'
export { isWholeId, runMeant } from './run-ref.ts'
export {
  amount,
  count,
  duration,
  json,
  jsonObject,
  jsonOrText,
  keyValue,
  type Parameters,
  several,
  timeBefore,
} from './values.ts'
