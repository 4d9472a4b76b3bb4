/** The NATS driver held to the definition of the port, on a real server: the log, the keys, the objects. */

import { natsConformance } from './conformance-driver.ts'

natsConformance('log', 'kv', 'objects')
