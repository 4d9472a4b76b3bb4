/** The test kit for users' flows: an engine in the test's own process, on a clock that the test moves. */

export { type TestHarness, type TestHarnessOptions, testHarness } from './harness.ts'
