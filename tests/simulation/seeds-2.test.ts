import { testSeeds } from './seeds.ts'

testSeeds(1_001, 1_000)
