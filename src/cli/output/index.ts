/** What commands say, and how values look. */

export {
  type ArtifactContent,
  artifactSummary,
  cellText,
  percentText,
  readArtifact,
} from './artifact-content.ts'
export { type Colour, clockText, colourOf, fromNow, oneLine, shortId, spanText, traceText } from './format.ts'
export { lineText } from './line-text.ts'
export { type Column, Output, type SayStream, type Streams } from './output.ts'
