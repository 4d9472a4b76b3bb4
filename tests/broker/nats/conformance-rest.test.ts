/** The NATS driver held to the definition of the port, on a real server: its life, the bus and the queues. */

import { natsConformance } from './conformance-driver.ts'

natsConformance('broker', 'bus', 'queue')
