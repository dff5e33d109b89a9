//! What all fuzzers do with their input.

use prometheus_operator_receiver::model::labels::LabelList;
use prometheus_operator_receiver::textparse::{Entry, Format, Options, Parser};

/// Reads a page to its end, labels included. The input's first byte says how.
pub fn read(input: &[u8], format: Format) {
    let Some((flags, page)) = input.split_first() else { return };
    let options = Options {
        native_histograms: flags & 1 != 0,
        classic_histograms: flags & 2 != 0,
        convert_to_nhcb: flags & 4 != 0,
        type_and_unit_labels: flags & 8 != 0,
        start_timestamps: flags & 16 != 0,
    };
    let mut labels = LabelList::new();
    let mut parser = Parser::new(page, format, options);
    while let Some(Ok(entry)) = parser.next() {
        match entry {
            Entry::Series(series) => series.labels.labels(&mut labels),
            Entry::Histogram(histogram) => histogram.labels.labels(&mut labels),
            _ => {}
        }
    }
}
