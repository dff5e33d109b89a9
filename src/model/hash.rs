//! The hashes that Prometheus' behaviour depends on: XXH64 and FNV-1a for the identity of targets and their offsets,
//! MD5 for `hashmod`. Not for hash tables and not for security.

/// FNV-1a, 64 bits, fed piece by piece (prometheus: scrape/target.go, `hash`; scrape/manager.go, offset seed).
#[derive(Debug, Clone, Copy)]
pub struct Fnv1a(u64);

impl Fnv1a {
    /// The hash of nothing.
    pub fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds bytes.
    #[must_use]
    pub fn write(self, bytes: &[u8]) -> Self {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Self(bytes.iter().fold(self.0, step))
    }

    /// The hash of all bytes so far.
    pub fn finish(self) -> u64 {
        self.0
    }
}

impl Default for Fnv1a {
    fn default() -> Self {
        Self::new()
    }
}

const PRIME_1: u64 = 0x9e37_79b1_85eb_ca87;
const PRIME_2: u64 = 0xc2b2_ae3d_27d4_eb4f;
const PRIME_3: u64 = 0x1656_67b1_9e37_79f9;
const PRIME_4: u64 = 0x85eb_ca77_c2b2_ae63;
const PRIME_5: u64 = 0x27d4_eb2f_1656_67c5;

/// XXH64 with seed 0.
pub fn xxh64(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<32>();
    let mut hash = if blocks.is_empty() {
        PRIME_5
    } else {
        let mut lanes = [
            PRIME_1.wrapping_add(PRIME_2),
            PRIME_2,
            0,
            PRIME_1.wrapping_neg(),
        ];
        for block in blocks {
            for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
                *lane = round(*lane, u64::from_le_bytes(*word));
            }
        }
        let mixed = lanes
            .iter()
            .zip([1, 7, 12, 18])
            .fold(0u64, |sum, (lane, turn)| {
                sum.wrapping_add(lane.rotate_left(turn))
            });
        lanes.iter().fold(mixed, |hash, lane| {
            (hash ^ round(0, *lane))
                .wrapping_mul(PRIME_1)
                .wrapping_add(PRIME_4)
        })
    };
    hash = hash.wrapping_add(bytes.len() as u64);
    let (words, rest) = rest.as_chunks::<8>();
    for word in words {
        hash = (hash ^ round(0, u64::from_le_bytes(*word)))
            .rotate_left(27)
            .wrapping_mul(PRIME_1)
            .wrapping_add(PRIME_4);
    }
    let (halves, rest) = rest.as_chunks::<4>();
    for half in halves {
        hash = (hash ^ u64::from(u32::from_le_bytes(*half)).wrapping_mul(PRIME_1))
            .rotate_left(23)
            .wrapping_mul(PRIME_2)
            .wrapping_add(PRIME_3);
    }
    for byte in rest {
        hash = (hash ^ u64::from(*byte).wrapping_mul(PRIME_5))
            .rotate_left(11)
            .wrapping_mul(PRIME_1);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(PRIME_2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(PRIME_3);
    hash ^ (hash >> 32)
}

fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(PRIME_2))
        .rotate_left(31)
        .wrapping_mul(PRIME_1)
}

/// The hash of a label set, given sorted by name (prometheus: model/labels, stringlabels build, `Hash`): XXH64 over all
/// texts, each preceded by its length, which takes one byte below 255 and else 0xFF and three bytes, little-endian.
pub fn labels<'a>(pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> u64 {
    let mut buffer = Vec::with_capacity(512);
    for text in pairs.into_iter().flat_map(|(name, value)| [name, value]) {
        match u8::try_from(text.len()) {
            Ok(short) if short < 255 => buffer.push(short),
            _ => {
                buffer.push(255);
                buffer.extend(text.len().to_le_bytes().iter().take(3));
            }
        }
        buffer.extend_from_slice(text);
    }
    xxh64(&buffer)
}

/// What `hashmod` takes the remainder of: the last eight bytes of the MD5, big-endian.
pub fn hashmod(value: &str) -> u64 {
    md5::compute(value)
        .iter()
        .skip(8)
        .fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'a>(pairs: &'a [(&'a str, &'a str)]) -> u64 {
        labels(pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())))
    }

    #[test]
    fn label_sets_hash_as_upstream() {
        let target = [
            ("__address__", "10.1.2.3:8080"),
            ("__metrics_path__", "/metrics"),
            ("__scheme__", "http"),
            ("__scrape_interval__", "30s"),
            ("__scrape_timeout__", "10s"),
            ("instance", "10.1.2.3:8080"),
            ("job", "demo"),
        ];
        assert_eq!(text(&target), 6662269738808462666);
        assert_eq!(text(&[]), 17241709254077376921);
        let (x, y) = ("x".repeat(254), "y".repeat(255));
        assert_eq!(text(&[("a", &x), ("b", &y)]), 12695879577571545633);
    }

    #[test]
    fn targets_and_seeds_hash_as_upstream() {
        let url = b"http://10.1.2.3:8080/metrics";
        let hash = Fnv1a::new().write(b"6662269738808462666").write(url);
        assert_eq!(hash.finish(), 14210870569220447469);
        let seed = |text: &str| Fnv1a::new().write(text.as_bytes()).finish();
        assert_eq!(seed("node-1.example{}"), 11677189115694794083);
        assert_eq!(
            seed(r#"node-1.example{cluster="c1", region="r\"1"}"#),
            16238842806386546324
        );
    }

    #[test]
    fn hashmod_as_upstream() {
        assert_eq!(hashmod("x") % 10, 6);
        assert_eq!(hashmod("abc;de") % 1000, 126);
    }
}
