/** Flows as files define them: what is in a file, the deployments that become of it, and the program that hosts their runs. */

export { type DeploymentPlace, deploymentOf, describeFlows } from './describe.ts'
export type { DescribedFlow } from './described.ts'
export { type Hosting, host } from './host.ts'
export type { HostOrder } from './host-orders.ts'
export { programBeside } from './program-beside.ts'
