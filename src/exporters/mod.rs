//! Exporters: OTLP over HTTP, and a readable form on a writer.
