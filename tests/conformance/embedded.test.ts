import { describe, it } from 'vitest'
import { conformance } from '../../src/testing/index.ts'
import { embeddedDriver } from '../support/conformance-drivers.ts'
import '../support/leak-check.ts'

conformance(embeddedDriver, { describe, it })
