//! Bodies: inflated under a cap. What the bytes mean is not known here.

use super::error::Error;
use flate2::bufread::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, Read};

/// The most bytes that a body may have after inflation when no limit is set: what is read from the network is always capped.
pub const MAX_BODY: u64 = 512 * 1024 * 1024;

/// How much is inflated at once.
const STEP: usize = 64 * 1024;

/// A limit as the settings have it, where 0 means none.
pub(super) fn cap(limit: Option<u64>) -> u64 {
    limit.filter(|limit| *limit > 0).unwrap_or(MAX_BODY)
}

/// Inflates gzip bodies, one after the other; its tables are used again.
#[derive(Debug)]
pub struct Inflater(Decompress);

impl Default for Inflater {
    fn default() -> Self {
        Self(Decompress::new(false))
    }
}

/// A gzip header without optional parts (RFC 1952, 2.3), and the trailer: checksum and length.
const HEADER: usize = 10;
const TRAILER: usize = 8;

/// Deflate makes at most so many bytes of one.
const MOST_PER_BYTE: usize = 1032;

impl Inflater {
    /// Inflates a gzip body, of one or several members, in place of what `page` holds.
    ///
    /// # Errors
    /// The data is not gzip, is cut short, has a wrong checksum, or inflates to `limit` bytes or more
    /// (prometheus: scrape/scrape.go, readResponse: a body of exactly the limit is too large).
    pub fn inflate(
        &mut self,
        compressed: &[u8],
        limit: Option<u64>,
        page: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let cap = cap(limit);
        match self.whole(compressed, cap, page) {
            Some(()) => Ok(()),
            None => by_steps(compressed, cap, page),
        }
    }

    /// One member, as servers send it, in one call: its length is known from its end. None for anything else.
    fn whole(&mut self, compressed: &[u8], cap: u64, page: &mut Vec<u8>) -> Option<()> {
        let (header, rest) = compressed.split_first_chunk::<HEADER>()?;
        let (body, trailer) = rest.split_last_chunk::<TRAILER>()?;
        let (checksum, length) = trailer.split_at(4);
        let number = |bytes: &[u8]| Some(u32::from_le_bytes(*bytes.first_chunk()?));
        let length = number(length)? as usize;
        let is_plain = matches!(header, [0x1f, 0x8b, 8, 0, ..]);
        if !is_plain || length as u64 >= cap || length / MOST_PER_BYTE > body.len() {
            return None;
        }
        if page.capacity() > 16 * STEP.max(length) {
            *page = Vec::new();
        }
        // Not cleared before: what is overwritten need not be zeroed.
        page.resize(length, 0);
        self.0.reset(false);
        let status = self.0.decompress(body, page, FlushDecompress::Finish);
        let is_whole = matches!(status, Ok(Status::StreamEnd))
            && self.0.total_in() == body.len() as u64
            && self.0.total_out() == length as u64
            && crc32fast::hash(page) == number(checksum)?;
        is_whole.then_some(())
    }
}

fn by_steps(compressed: &[u8], cap: u64, page: &mut Vec<u8>) -> Result<(), Error> {
    page.clear();
    page.shrink_to(16 * STEP);
    match compressed.len() {
        0 => return Err(Error::failed("EOF")),
        1..10 => return Err(Error::failed("unexpected EOF")),
        _ => {}
    }
    let mut decoder = MultiGzDecoder::new(compressed);
    loop {
        let before = page.len();
        page.resize(before + STEP, 0);
        let read = decoder.read(page.get_mut(before..).unwrap_or_default());
        page.truncate(before + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(_) if page.len() as u64 >= cap => return Err(Error::too_large()),
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(inflate_failed(&error)),
        }
    }
}

/// Go's words, as far as they can be told apart.
fn inflate_failed(error: &io::Error) -> Error {
    match (error.kind(), error.to_string()) {
        (io::ErrorKind::UnexpectedEof, _) => Error::failed("unexpected EOF"),
        (_, text) if text.contains("header") => Error::failed("gzip: invalid header"),
        (_, text) if text.contains("checksum") => Error::failed("gzip: invalid checksum"),
        (_, text) => Error::failed(format!("flate: corrupt input: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[track_caller]
    fn check(compressed: &[u8], limit: Option<u64>, want: Result<&str, &str>) {
        let mut page = b"old".to_vec();
        let mut inflater = Inflater::default();
        let result = inflater.inflate(compressed, limit, &mut page);
        let result = result.map_err(|e| e.message);
        let text = String::from_utf8(page).unwrap();
        assert_eq!(
            result
                .as_ref()
                .map(|()| text.as_str())
                .map_err(String::as_str),
            want
        );
    }

    #[test]
    fn members_limits_and_damage() {
        let (a, b) = (gzip(b"a 1\n"), gzip(b"b 2\n"));
        check(&a, None, Ok("a 1\n"));
        check(&[a.clone(), b].concat(), Some(0), Ok("a 1\nb 2\n"));
        check(&a, Some(5), Ok("a 1\n"));
        check(&a, Some(4), Err("body size limit exceeded"));
        check(&a[..a.len() - 9], None, Err("unexpected EOF"));
        check(b"a 1\n", None, Err("unexpected EOF"));
        check(b"a 1\nb 2\nc 3\n", None, Err("gzip: invalid header"));
        check(b"", None, Err("EOF"));
        let mut damaged = a.clone();
        *damaged.iter_mut().rev().nth(5).unwrap() ^= 1;
        check(&damaged, None, Err("gzip: invalid checksum"));
        // The same inflater, after what it could not do at once.
        let mut inflater = Inflater::default();
        let mut page = Vec::new();
        for (compressed, is_good) in [(&damaged, false), (&a, true), (&damaged, false)] {
            assert_eq!(
                inflater.inflate(compressed, None, &mut page).is_ok(),
                is_good
            );
        }
        let trailing = [a, b"rubbish after it".to_vec()].concat();
        check(&trailing, None, Err("gzip: invalid header"));
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![0; 64 * 1024 * 1024]);
        let mut page = Vec::new();
        let mut inflater = Inflater::default();
        let error = inflater
            .inflate(&bomb, Some(1024 * 1024), &mut page)
            .unwrap_err();
        assert_eq!(error, Error::too_large());
        assert!(page.len() <= 1024 * 1024 + STEP, "{}", page.len());
    }
}
