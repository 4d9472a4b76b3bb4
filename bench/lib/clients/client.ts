/** Who starts runs and resumes them, and takes the times of it: what W2, W3 and W5 measure, on whatever way it goes. */

export interface Client {
  /** What it goes by, for the table. */
  readonly name: string
  /** Starts a run and sees its end; milliseconds. */
  run(flow: string): Promise<number>
  /** Starts so many runs, `IN_FLIGHT` at a time, and sees the end of the last one; milliseconds. */
  burst(flow: string, runs: number): Promise<number>
  /** Starts a run that waits, leaves it alone for a while and signals it; milliseconds from the signal until it has ended. */
  resume(flow: string, settledMs: number): Promise<number>
  stop(): Promise<void>
}

export const IN_FLIGHT = 200

/** So many at a time, until all are done; milliseconds. */
export function inFlight(runs: number, one: () => Promise<unknown>): Promise<number> {
  let left = runs
  const lane = async () => {
    while (left-- > 0) await one()
  }
  return timed(() => Promise.all(Array.from({ length: Math.min(IN_FLIGHT, runs) }, lane)))
}

export async function timed(act: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await act()
  return performance.now() - began
}
