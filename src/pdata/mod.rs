//! The OTLP metrics data model as plain structs, and the consumer of an embedding program.
