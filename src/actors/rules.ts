/**
 * The rules: every way to say something about a run, as a judge. A judge is pure and is asked again on the newer
 * state after a refused append; what is legal is asked of the charts.
 */

export { createdRecord, type RunInput } from './created.ts'
export { judgeFlow } from './judge-flow.ts'
export { HOLD_MS, judgeSignal, legalSignals, takenSignals } from './judge-signal.ts'
export { judgeTask, judgeTaskCall } from './judge-task.ts'
export { judgeFire } from './judge-timer.ts'
export { judgeChild, judgeDistantNote, judgeNote, judgeValue, judgeWait, judgeWaitDue } from './judge-wait.ts'
export { cancelTasks } from './propose.ts'
