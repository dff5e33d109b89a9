//! From batches to exporters: encoders, bounded queues, retry.
