/**
 * What a server can do, by its version: the one place where versions are compared. Everything else asks
 * `supports(version, feature)`.
 */

const FEATURES = {
  /** The oldest server this driver is tested on. */
  baseline: '2.9.10',
  /**
   * Compare-and-set holds on streams with replicas. Before, the check ran ahead of the replication and several
   * appends on one revision could win (nats-server issue 4320).
   */
  replicatedCompareAndSet: '2.9.21',
  /** The server's setting `sync_interval`, with which an acknowledged write has reached the disk. */
  syncInterval: '2.10.0',
} as const

export type Feature = keyof typeof FEATURES

export function supports(version: string, feature: Feature): boolean {
  const [have, need] = [numbersOf(version), numbersOf(FEATURES[feature])]
  for (let i = 0; i < need.length; i++) {
    const difference = (have[i] ?? 0) - (need[i] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}

/** The first version that has it. */
export function since(feature: Feature): string {
  return FEATURES[feature]
}

/** What a person who runs this server should know, in sentences. */
export function warningsFor(version: string, replicas: number): string[] {
  const warnings = [
    supports(version, 'syncInterval')
      ? `nats-server ${version} tells no client whether it forces acknowledged entries to the disk: unless sync_interval: always stands in its configuration, they survive the death of any process, but not a power cut.`
      : `nats-server ${version} forces entries to the disk once a minute: acknowledged ones survive the death of any process, but not a power cut. From ${since('syncInterval')} on it has a setting for that, sync_interval: always.`,
  ]
  if (replicas === 1)
    warnings.push(
      supports(version, 'replicatedCompareAndSet')
        ? 'The streams have one replica: while the server that holds it is down nothing can be appended, and its disk is the only copy. In a cluster of three give replicas=3.'
        : `The streams have one replica: while the server that holds it is down nothing can be appended, and its disk is the only copy. Replicas need nats-server ${since('replicatedCompareAndSet')} or newer.`,
    )
  return warnings
}

function numbersOf(version: string): number[] {
  return version.split('.', 3).map((part) => Number.parseInt(part, 10) || 0)
}
