/**
 * The broker port (`Log`, `Queue`, `Bus`, `KeyValue`, `Objects`) and its drivers. Other rooms speak to the port only;
 * which driver stands behind it is chosen in one place. Imports core.
 */

export { openBroker } from './open.ts'
export {
  type AppendOptions,
  type AppendOutcome,
  type Broker,
  type BrokerOptions,
  type BrokerStatus,
  type Bucket,
  type BucketOptions,
  type Bus,
  type BusMessage,
  type Capabilities,
  type Claimed,
  type Cursor,
  type EnqueueOptions,
  type Entry,
  type FollowFilter,
  type Following,
  type FollowOptions,
  type KeyValue,
  type KvChange,
  type KvEntry,
  type KvRevision,
  type KvWatch,
  LIMITS,
  type Limits,
  type Log,
  type ObjectInfo,
  type Objects,
  type Priority,
  type Queue,
  type RequestOutcome,
  type Rev,
  type Subscription,
} from './port.ts'
