/** What a check finds. `bad` is what does not work, `weak` what works and will hurt some day. */

export interface Finding {
  readonly is: 'good' | 'weak' | 'bad'
  readonly what: string
  /** What to change. */
  readonly advice?: string
}

export const good = (what: string): Finding => ({ is: 'good', what })
export const weak = (what: string, advice: string): Finding => ({ is: 'weak', what, advice })
export const bad = (what: string, advice: string): Finding => ({ is: 'bad', what, advice })
