//! Where metrics go: OTLP over HTTP, lines on a writer, and the consumers of an embedding program.

mod consumers;
mod lines;
mod otlp;
mod otlp_http;
mod readable;
mod said;

pub use consumers::Consumers;
pub use lines::{Format, Lines};
pub use otlp_http::{Compression, OtlpHttp, OtlpHttpSettings, check_url};
