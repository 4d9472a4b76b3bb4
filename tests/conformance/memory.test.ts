import { describe, it } from 'vitest'
import { conformance } from '../../src/testing/index.ts'
import { memoryDriver } from '../support/conformance-drivers.ts'
import '../support/leak-check.ts'

conformance(memoryDriver, { describe, it })
