//! From batches to OTLP: the plan, and the walkers that use it.
