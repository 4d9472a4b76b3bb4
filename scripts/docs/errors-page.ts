/** The reference page of the error codes. */

import { ERRORS, type ErrorKind } from '../../src/core/index.ts'

const WHO_ACTS: Readonly<Record<ErrorKind, string>> = {
  terminal: 'you, by changing something',
  retryable: 'nobody: the same call may succeed later',
  conflict: 'the caller, by reading what is there now and deciding again',
  unknown: 'the caller, by finding out whether it happened',
}

export function errorsPage(): string {
  const kinds = Object.entries(WHO_ACTS).map(([kind, who]) => `| \`${kind}\` | ${who} |`)
  const codes = Object.entries(ERRORS).map(([code, { kind, status, meaning, remedy }]) =>
    [
      `<a id="${code}"></a>\n## ${code}`,
      meaning,
      `**What to do:** ${remedy}`,
      `Kind \`${kind}\`, HTTP status ${status}.`,
    ].join('\n\n'),
  )
  return `# Error codes

<!-- Made from src/core/error-table.ts by \`npm run docs\`. Change that file, not this one. -->

Every error of Callboard is a \`CallboardError\` with one of these codes in \`code\`, facts for your program in
\`details\`, and what it came from in \`cause\`. Its message says what happened, to what, and what to do.
Ask for the code, never for the message: codes are stable and never reused.

The kind says who must act:

| kind | who |
|---|---|
${kinds.join('\n')}

${codes.join('\n\n')}
`
}
