//! Where metrics go: OTLP over HTTP, lines on a writer, and the consumers of an embedding program.
