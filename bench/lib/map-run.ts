/** A map of many elements in a process of its own, so that its memory is that of the map and of nothing before it. */

import { onPackage } from './on-package.ts'

export interface MapRun {
  readonly ms: number
  /** Of the processor, meanwhile. */
  readonly cpuMs: number
  /** The most resident memory of the process, in 10^6 bytes. */
  readonly peakMb: number
}

/** `brokerUrl`: where the script keeps its runs. */
export const mapRun = (brokerUrl: string, elements: number): Promise<MapRun> =>
  onPackage('map-process.ts', [`${elements}`], { CALLBOARD_BROKER_URL: brokerUrl })
