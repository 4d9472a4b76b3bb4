/** The few figures that a set of samples is told by. */

/** The value below which the share `q` (0 to 1) of the samples lies, interpolated; NaN without samples. */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  const position = (sorted.length - 1) * q
  const below = sorted[Math.floor(position)] ?? Number.NaN
  const above = sorted[Math.ceil(position)] ?? Number.NaN
  return below + (above - below) * (position - Math.floor(position))
}

/** The middle one. */
export const median = (samples: readonly number[]): number => quantile(samples, 0.5)
