/** What the commands that serve put together and start: gateway, scheduler, worker, deployments in development. */

export { DEV_NAME, Registered } from './registered.ts'
export { startServer } from './server.ts'
export { stopSignal } from './until-stopped.ts'
