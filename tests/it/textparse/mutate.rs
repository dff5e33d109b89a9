//! Pages made from the goldens of a format by a seeded generator: bytes flipped, put in, taken out; lines moved, doubled, removed;
//! pages cut; tokens and lines of the other format put in. Protobuf pages are also put together from scratch.

use prometheus_operator_receiver::textparse::{Format, Options, choose};
use prometheus_operator_receiver::wire::protobuf::Writer;
use serde::Deserialize;
use std::path::Path;

#[derive(Debug)]
pub struct Page {
    pub bytes: Vec<u8>,
    pub content_type: &'static str,
    pub format: Format,
    pub options: Options,
}

/// Of each format: versions and escaping schemes, which no reader looks at.
fn content_types(format: Format) -> &'static [&'static str] {
    match format {
        Format::Text => &[
            "text/plain",
            "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
            "text/plain;version=1.0.0;escaping=allow-utf-8",
            "text/plain; version=1.0.0; escaping=dots",
        ],
        Format::OpenMetrics => &[
            "application/openmetrics-text",
            "application/openmetrics-text; version=0.0.1",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;charset=utf-8",
            "application/openmetrics-text; version=1.0.0; escaping=values",
        ],
        Format::Protobuf => &[
            "application/vnd.google.protobuf",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=values",
        ],
    }
}

impl Page {
    pub fn flags(&self) -> u8 {
        let o = self.options;
        let flags = [
            o.native_histograms,
            o.classic_histograms,
            o.convert_to_nhcb,
            o.type_and_unit_labels,
            o.start_timestamps,
        ];
        flags
            .iter()
            .rev()
            .fold(0, |bits, flag| bits << 1 | u8::from(*flag))
    }
}

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Below `n`; 0 if that is 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

pub struct Pages {
    random: Random,
    format: Format,
    seeds: Vec<Vec<u8>>,
    /// Lines of both text formats.
    lines: Vec<Vec<u8>>,
}

#[derive(Deserialize)]
struct Meta {
    content_type: String,
    #[serde(default)]
    fallback: String,
}

const BYTES: &[u8] = b"\"\\\n\0 \t{}=,#_:.+-0159aeEinfNpPx\xff\xc3\xa9\r";

const TOKENS: &[&str] = &[
    "# TYPE a counter\n",
    "# TYPE a histogram\n",
    "# TYPE a summary\n",
    "# HELP a b\n",
    "# UNIT a_b b\n",
    "# EOF\n",
    "# EOF",
    "#",
    "# ",
    "# x\n",
    "#x\n",
    "# HELP ",
    "# TYPE ",
    "# UNIT ",
    " # {a=\"b\"} 1",
    " # {} 1 2",
    " # {",
    " 1",
    " 2.5\n",
    "\n\n",
    "_created",
    "_total",
    "_bucket",
    "_sum",
    "_count",
    "le=\"1\"",
    "le=\"+Inf\",",
    "quantile=\"0.5\"",
    "\"a\"",
    "\"a b\",",
    "{",
    "}",
    "{}",
    "=\"",
    "\",",
    "\\\"",
    "\\n",
    "\\\\",
    "\\",
    "NaN",
    "-nan",
    "+Inf",
    "-inf",
    "infinity",
    "1e400",
    "-1e-400",
    "0x1p4",
    "0x1p-1074",
    "1_0",
    "_1",
    "1e5",
    "1e",
    ".5",
    "5.",
    "1.7976931348623159e308",
    "4.9e-324",
    "9007199254740993",
    "1e22",
    "1e23",
    "123456789012345678901234567890",
    "1e300",
    "-5",
    "00",
    "\0",
    " \0",
    "\0\0",
    "\n\0",
    "\t",
    "  ",
    "\r\n",
    "\u{a0}",
    "é",
    "𝄞",
    "a{b=\"c\"} 1\n",
    "a_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 2\na_count 2\na_sum 3\n",
    "a_created 1\n",
    "a_total 1\n",
    "# TYPE a_b_seconds counter\n# UNIT a_b_seconds seconds\na_b_seconds_total 1 # {t=\"1\"} 2 3\na_b_seconds_created 5\n",
    "__name__=\"x\"",
    "__type__=\"x\",",
    "__unit__=\"x\",",
    "counter",
    "gaugehistogram",
    "untyped",
    "unknown",
    "info",
    "stateset",
];

impl Pages {
    pub fn new(format: Format, seed: u64) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/textparse");
        let mut cases: Vec<_> = std::fs::read_dir(root)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        cases.sort();
        let (mut seeds, mut lines) = (Vec::new(), Vec::new());
        for case in cases {
            let meta = std::fs::read_to_string(case.join("meta.yaml")).unwrap();
            let meta: Meta = serde_yaml::from_str(&meta).unwrap();
            let Ok((found, _)) = choose(&meta.content_type, &meta.fallback) else {
                continue;
            };
            let page = std::fs::read(case.join("page")).unwrap();
            if page.len() > 20_000 {
                continue;
            }
            if found != Format::Protobuf {
                lines.extend(page.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec));
            }
            if found == format {
                seeds.push(page);
            }
        }
        Self {
            random: Random::new(seed),
            format,
            seeds,
            lines,
        }
    }

    pub fn next(&mut self) -> Page {
        let flags = self.random.bits();
        let from_scratch = self.format == Format::Protobuf && self.random.one_in(2);
        let mut bytes = if from_scratch {
            self.protobuf()
        } else {
            self.random.pick(&self.seeds).clone()
        };
        let most = *self.random.pick(&[1, 2, 4, 12]);
        for _ in 0..self.random.below(most + 1) {
            if self.format == Format::Protobuf {
                self.mutate_bytes(&mut bytes);
            } else {
                self.mutate_text(&mut bytes);
            }
        }
        let flag = |n: u64| flags >> n & 1 == 1;
        let options = Options {
            native_histograms: flag(0),
            classic_histograms: flag(1),
            convert_to_nhcb: flag(2),
            type_and_unit_labels: flag(3),
            start_timestamps: flag(4),
        };
        let content_type = *self.random.pick(content_types(self.format));
        Page {
            bytes,
            content_type,
            format: choose(content_type, "").unwrap().0,
            options,
        }
    }

    fn mutate_text(&mut self, page: &mut Vec<u8>) {
        let r = &mut self.random;
        let at = r.below(page.len() + 1);
        match r.below(12) {
            0 | 1 => {
                let token = if r.one_in(3) {
                    r.pick(&self.lines).clone()
                } else {
                    r.pick(TOKENS).as_bytes().to_vec()
                };
                page.splice(at..at, token);
            }
            // A token in the place of something else.
            2 => {
                let end = (at + r.below(8)).min(page.len());
                page.splice(at..end, r.pick(TOKENS).bytes());
            }
            3..=6 => self.mutate_lines(page),
            _ => self.mutate_bytes(page),
        }
    }

    fn mutate_lines(&mut self, page: &mut Vec<u8>) {
        let mut lines: Vec<Vec<u8>> = page
            .split_inclusive(|b| *b == b'\n')
            .map(<[u8]>::to_vec)
            .collect();
        if lines.is_empty() {
            return;
        }
        let r = &mut self.random;
        let (from, to) = (r.below(lines.len()), r.below(lines.len()));
        match r.below(5) {
            0 => lines.swap(from, to),
            1 => {
                let line = lines.remove(from);
                lines.insert(to.min(lines.len()), line);
            }
            2 => {
                let line = lines[from].clone();
                lines.insert(to, line);
            }
            3 => {
                lines.remove(from);
            }
            _ => lines[to] = r.pick(&self.lines).clone(),
        }
        *page = lines.concat();
    }

    fn mutate_bytes(&mut self, page: &mut Vec<u8>) {
        let r = &mut self.random;
        let at = r.below(page.len());
        let end = (at + 1 + r.below(9)).min(page.len());
        let byte = if r.one_in(4) {
            r.bits() as u8
        } else {
            *r.pick(BYTES)
        };
        match r.below(8) {
            _ if page.is_empty() => page.push(byte),
            0 => page.insert(at, byte),
            1 => {
                page.remove(at);
            }
            2 if r.one_in(3) => page.truncate(at),
            2 | 3 => page[at] ^= 1 << r.below(8),
            4 => {
                let piece = page[at..end].to_vec();
                let to = r.below(page.len());
                page.splice(to..to, piece);
            }
            5 if r.one_in(2) => {
                page.drain(at..end);
            }
            _ => page[at] = byte,
        }
    }

    /// Families of any type with any fields.
    fn protobuf(&mut self) -> Vec<u8> {
        let r = &mut self.random;
        let mut page = Vec::new();
        for _ in 0..1 + r.below(3) {
            let mut family = Writer::new();
            let kind = r.below(6) as u64;
            family.bytes(1, r.pick(&["h", "a_total", "x y", "é"]).as_bytes());
            if r.one_in(2) {
                family.bytes(2, b"help");
            }
            family.uint_if(3, kind);
            if r.one_in(3) {
                family.bytes(5, b"seconds");
            }
            for _ in 0..r.below(4) {
                family.message(4, |metric| write_metric(r, metric, kind));
            }
            let message = family.into_vec();
            let mut delimited = Writer::new();
            delimited.varint(message.len() as u64);
            page.extend(delimited.into_vec());
            page.extend(message);
        }
        page
    }
}

fn write_metric(r: &mut Random, metric: &mut Writer, kind: u64) {
    for name in ["b", "a", "le", "__type__", "quantile"]
        .iter()
        .take(r.below(6))
    {
        if r.one_in(2) {
            let value = *r.pick(&["", "1", "2.5", "é", "x"]);
            metric.message(1, |label| {
                label.bytes(1, name.as_bytes());
                label.bytes(2, value.as_bytes());
            });
        }
    }
    // The message of the type, sometimes another one, sometimes twice.
    for _ in 0..*r.pick(&[1, 1, 1, 1, 0, 2]) {
        let kind = if r.one_in(10) {
            r.below(6) as u64
        } else {
            kind
        };
        match kind {
            0 => metric.message(3, |m| {
                m.double(1, number(r));
                for _ in 0..r.below(2) {
                    m.message(2, |e| write_exemplar(r, e));
                }
                maybe_timestamp(r, m, 3);
            }),
            1 => metric.message(2, |m| m.double(1, number(r))),
            2 => metric.message(4, |m| {
                m.uint_if(1, r.below(9) as u64);
                m.double(2, number(r));
                for _ in 0..r.below(4) {
                    m.message(3, |q| {
                        q.double(1, number(r));
                        q.double(2, number(r));
                    });
                }
                maybe_timestamp(r, m, 4);
            }),
            3 => metric.message(5, |m| {
                if !r.one_in(3) {
                    m.double(1, number(r));
                }
            }),
            _ => metric.message(7, |m| write_histogram(r, m)),
        }
    }
    if r.one_in(3) {
        metric.uint(6, r.bits() >> r.below(64));
    }
}

fn write_histogram(r: &mut Random, m: &mut Writer) {
    let (native, float) = (r.one_in(2), r.one_in(3));
    let mut count = 0;
    if !native || r.one_in(3) {
        for n in 0..r.below(5) {
            count += r.below(4) as u64;
            m.message(3, |b| {
                if float {
                    b.double(4, count as f64 + 0.5);
                } else {
                    b.uint_if(1, count);
                }
                b.double(
                    2,
                    if r.one_in(5) {
                        number(r)
                    } else {
                        n as f64 / 2.0
                    },
                );
                if r.one_in(3) {
                    b.message(3, |e| write_exemplar(r, e));
                }
            });
        }
        if r.one_in(2) {
            m.message(3, |b| {
                b.uint_if(1, count);
                b.double(2, f64::INFINITY);
            });
        }
    }
    if r.one_in(8) {
        count += 1;
    }
    m.uint_if(1, count);
    m.double(2, number(r));
    if float {
        m.double(4, count as f64);
    }
    maybe_timestamp(r, m, 15);
    if native {
        m.sint(5, r.below(12) as i64 - 3);
        if r.one_in(2) {
            m.double(6, 0.001);
        }
        if r.one_in(3) {
            m.uint(7, 1);
        }
        if r.one_in(6) {
            m.double(8, 1.0);
        }
        for (span, delta, absolute) in [(9, 10, 11), (12, 13, 14)] {
            write_side(r, m, float, span, delta, absolute);
        }
        for _ in 0..r.below(3) {
            m.message(16, |e| write_exemplar(r, e));
        }
    }
}

fn write_side(r: &mut Random, m: &mut Writer, float: bool, span: u32, delta: u32, absolute: u32) {
    let mut n_buckets = 0;
    for _ in 0..r.below(4) {
        let length = r.below(4);
        n_buckets += length;
        let offset = if r.one_in(9) {
            r.bits() as i32
        } else {
            r.below(4) as i32 - 1
        };
        m.message(span, |s| {
            s.sint(1, i64::from(offset));
            s.uint_if(2, length as u64);
        });
    }
    if r.one_in(12) {
        n_buckets += 1;
    }
    let (packed, mut before) = (r.one_in(2), 0);
    let mut list = Writer::new();
    let mut floats = Vec::new();
    for _ in 0..n_buckets {
        let count = r.below(3) as i64;
        let step = count - before;
        before = count;
        match (float, packed) {
            (true, true) => floats.extend_from_slice(&(count as f64).to_le_bytes()),
            (true, false) => m.double(absolute, count as f64),
            (false, true) => list.varint(((step << 1) ^ (step >> 63)) as u64),
            (false, false) => m.sint(delta, step),
        }
    }
    m.bytes_if(delta, list.as_slice());
    m.bytes_if(absolute, &floats);
}

fn write_exemplar(r: &mut Random, e: &mut Writer) {
    for _ in 0..r.below(3) {
        let name = *r.pick(&["b", "a", "", "é"]);
        e.message(1, |label| {
            label.bytes(1, name.as_bytes());
            label.bytes(2, b"x");
        });
    }
    e.double(2, number(r));
    maybe_timestamp(r, e, 3);
}

fn maybe_timestamp(r: &mut Random, m: &mut Writer, field: u32) {
    if r.one_in(2) {
        m.message(field, |t| {
            t.uint_if(1, r.bits() >> r.below(64));
            t.uint_if(2, r.below(1_000_000_000) as u64);
        });
    }
}

fn number(r: &mut Random) -> f64 {
    match r.below(4) {
        0 => *r.pick(&[
            0.0,
            -0.0,
            1.0,
            -1.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1e300,
        ]),
        1 => f64::from_bits(r.bits()),
        2 => r.below(100) as f64 / 8.0,
        _ => r.below(1_000_000) as f64,
    }
}
