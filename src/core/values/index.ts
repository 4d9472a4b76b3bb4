/**
 * What users' values become on the broker: JSON that any tool can read, in which whatever JSON has no form for
 * is tagged, `{"$cb":"Date","v":"2026-01-31T09:00:00.000Z"}`. `encode.ts` says what is kept and what is not.
 */

export { decodeJson, decodeValue } from './decode.ts'
export { encodeToJson, encodeValue } from './encode.ts'
export { copyJson } from './plain.ts'
