//! Reading a response: head, framing, body. Sizes are capped; what does not fit together is an error, never a guess.

use super::connection::Stream;
use super::socket::io_failed;
use crate::http::error::Error;
use std::borrow::Cow;
use std::io::Read;

/// The most bytes of a response's head, and of a body's trailers.
const MAX_HEAD: usize = 64 * 1024;
/// The most interim (1xx) responses before the final one, as Go's transport has it.
const MAX_INTERIM: usize = 5;
/// The longest line with a chunk's size.
const MAX_CHUNK_LINE: usize = 4 * 1024;
/// Bytes read at once.
const STEP: usize = 64 * 1024;

/// Status and the headers that a client looks at.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::http) struct Head {
    pub(in crate::http) status: u16,
    pub(in crate::http) status_text: String,
    pub(in crate::http) content_type: String,
    pub(in crate::http) gzip: bool,
    pub(in crate::http) zstd: bool,
    pub(in crate::http) location: String,
    framing: Framing,
    keep_alive: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Framing {
    #[default]
    UntilClose,
    Length(u64),
    Chunked,
}

/// Why no head came.
#[derive(Debug)]
pub(in crate::http) enum NoHead {
    /// The connection ended, or broke, before the first byte: on a reused connection that is worth another try.
    Nothing(Error),
    Failed(Error),
}

/// Bytes that have come in and wait to be taken. The memory is the worker's, kept from exchange to exchange.
pub(in crate::http) struct Incoming<'a> {
    stream: &'a mut Stream,
    bytes: &'a mut Vec<u8>,
    at: usize,
}

impl<'a> Incoming<'a> {
    pub(in crate::http) fn new(stream: &'a mut Stream, bytes: &'a mut Vec<u8>) -> Self {
        bytes.clear();
        bytes.shrink_to(4 * STEP);
        Self {
            stream,
            bytes,
            at: 0,
        }
    }

    /// Goes on at a position in bytes that came in before.
    pub(in crate::http) fn resume(
        stream: &'a mut Stream,
        bytes: &'a mut Vec<u8>,
        at: usize,
    ) -> Self {
        Self { stream, bytes, at }
    }

    /// How many of the bytes have been taken.
    pub(in crate::http) fn position(&self) -> usize {
        self.at
    }

    /// Reads the head of the final response.
    pub(in crate::http) fn head(&mut self) -> Result<Head, NoHead> {
        for _ in 0..=MAX_INTERIM {
            let head = self.any_head()?;
            // 101 is final: nobody asked for another protocol.
            if head.status >= 200 || head.status == 101 {
                return Ok(head);
            }
        }
        let error = Error::failed("net/http: too many 1xx informational responses");
        Err(NoHead::Failed(error))
    }

    fn any_head(&mut self) -> Result<Head, NoHead> {
        loop {
            let waiting = self.bytes.get(self.at..).unwrap_or_default();
            if let Some((head, length)) = parse_head(waiting).map_err(NoHead::Failed)? {
                self.at += length;
                return Ok(head);
            }
            if waiting.len() >= MAX_HEAD {
                let error = Error::failed(format!(
                    "net/http: server response headers exceeded {MAX_HEAD} bytes; aborted"
                ));
                return Err(NoHead::Failed(error));
            }
            let is_first = self.bytes.is_empty();
            match self.fill(16 * 1024) {
                Ok(0) if is_first => return Err(NoHead::Nothing(Error::failed("EOF"))),
                Ok(0) => return Err(NoHead::Failed(Error::failed("unexpected EOF"))),
                Ok(_) => {}
                Err(error) if is_first && error.kind == crate::http::error::Kind::Failed => {
                    return Err(NoHead::Nothing(error));
                }
                Err(error) => return Err(NoHead::Failed(error)),
            }
        }
    }

    /// Reads the body into `body`. Returns whether the connection may be used again.
    /// A body of `cap` bytes or more is too large.
    pub(in crate::http) fn body(
        &mut self,
        head: &Head,
        cap: u64,
        body: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        body.clear();
        body.shrink_to(16 * STEP);
        match head.framing {
            _ if matches!(head.status, 204 | 304) => {}
            Framing::Length(length) => {
                self.exactly(length, cap, body)?;
            }
            Framing::Chunked => self.chunks(cap, body)?,
            Framing::UntilClose => {
                while self.some(u64::MAX, cap, body)? > 0 {}
                return Ok(false);
            }
        }
        // Bytes behind the end belong to nothing that was asked for.
        Ok(head.keep_alive && self.at == self.bytes.len())
    }

    fn chunks(&mut self, cap: u64, body: &mut Vec<u8>) -> Result<(), Error> {
        loop {
            let size = self.line(MAX_CHUNK_LINE, parse_chunk_size)??;
            if size == 0 {
                break;
            }
            self.exactly(size, cap, body)?;
            if !self.line(2, <[u8]>::is_empty)? {
                return Err(Error::failed("malformed chunked encoding"));
            }
        }
        let mut trailers = 0;
        loop {
            match self.line(MAX_HEAD, <[u8]>::len)? {
                0 => return Ok(()),
                length => trailers += length,
            }
            if trailers > MAX_HEAD {
                return Err(Error::failed("http: trailers are too long"));
            }
        }
    }

    fn exactly(&mut self, length: u64, cap: u64, body: &mut Vec<u8>) -> Result<(), Error> {
        let mut missing = length;
        while missing > 0 {
            match self.some(missing, cap, body)? {
                0 => return Err(Error::failed("unexpected EOF")),
                n => missing -= n,
            }
        }
        Ok(())
    }

    /// Moves at most `most` bytes to `body`: those that wait, otherwise the next ones straight from the stream.
    fn some(&mut self, most: u64, cap: u64, body: &mut Vec<u8>) -> Result<u64, Error> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let waiting = self.bytes.get(self.at..).unwrap_or_default();
        let n = if waiting.is_empty() {
            read_into(self.stream, most.min(STEP), body)?
        } else {
            let taken = waiting.get(..most).unwrap_or(waiting);
            body.extend_from_slice(taken);
            self.at += taken.len();
            taken.len()
        };
        if body.len() as u64 >= cap && n > 0 {
            return Err(Error::too_large());
        }
        Ok(n as u64)
    }

    /// The next line, without its end, as `read` understands it.
    fn line<T>(&mut self, longest: usize, read: impl FnOnce(&[u8]) -> T) -> Result<T, Error> {
        loop {
            let waiting = self.bytes.get(self.at..).unwrap_or_default();
            if let Some(end) = memchr::memchr(b'\n', waiting) {
                let line = waiting.get(..end).unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let value = read(line);
                self.at += end + 1;
                return Ok(value);
            }
            if waiting.len() > longest {
                return Err(Error::failed("malformed chunked encoding"));
            }
            if self.at > STEP {
                self.bytes.drain(..self.at);
                self.at = 0;
            }
            if self.fill(4 * 1024)? == 0 {
                return Err(Error::failed("unexpected EOF"));
            }
        }
    }

    fn fill(&mut self, most: usize) -> Result<usize, Error> {
        read_into(self.stream, most, self.bytes)
    }
}

/// One read that returned something, appended to `into`; 0 at the end of the stream.
fn read_into(stream: &mut Stream, most: usize, into: &mut Vec<u8>) -> Result<usize, Error> {
    let before = into.len();
    into.resize(before + most, 0);
    let read = loop {
        let space = into.get_mut(before..).unwrap_or_default();
        match stream.read(space) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => break other,
        }
    };
    into.truncate(before + *read.as_ref().unwrap_or(&0));
    read.map_err(|error| match error.kind() {
        // TLS ended without saying so.
        std::io::ErrorKind::UnexpectedEof => Error::failed("unexpected EOF"),
        _ => io_failed(&error),
    })
}

/// `None`: there is more to come. Otherwise the head, and its length in bytes. As lenient as Go, and not more
/// (Go: net/http, ReadResponse; net/textproto, readMIMEHeader).
fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, Error> {
    if bytes.starts_with(&[0x15, 3]) {
        return Err(Error::failed(
            "the server speaks TLS, use https:// (scheme: https)",
        ));
    }
    let Some(length) = head_length(bytes) else {
        return Ok(None);
    };
    let mut lines = Lines(bytes.get(..length).unwrap_or_default());
    let (mut head, is_http_1_1) = parse_status(lines.next().unwrap_or_default())?;
    head.keep_alive = is_http_1_1;
    let (mut lengths, mut is_chunked) = (None, false);
    let (mut seen_type, mut seen_encoding) = (false, false);
    let mut is_first = true;
    while let Some(line) = lines.next().filter(|line| !line.is_empty()) {
        if is_first && is_folded(line) {
            return Err(malformed("MIME header initial line", line));
        }
        is_first = false;
        let line = lines.unfold(line);
        let (name, value) = parse_header(&line)?;
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("content-type") && !seen_type {
            head.content_type = String::from_utf8_lossy(value).into_owned();
            seen_type = true;
        } else if is("content-encoding") && !seen_encoding {
            // Byte for byte, and the first only (prometheus: scrape/scrape.go, readResponse).
            head.gzip = value == b"gzip";
            head.zstd = value == b"zstd";
            seen_encoding = true;
        } else if is("location") && head.location.is_empty() {
            head.location = String::from_utf8_lossy(value).into_owned();
        } else if is("content-length") {
            let length = parse_length(value)?;
            if lengths.is_some_and(|other| other != length) {
                return Err(Error::failed("http: Content-Length headers differ"));
            }
            lengths = Some(length);
        } else if is("transfer-encoding") {
            if !value.eq_ignore_ascii_case(b"chunked") || is_chunked {
                let text = String::from_utf8_lossy(value).into_owned();
                return Err(Error::failed(format!(
                    "unsupported transfer encoding: {text:?}"
                )));
            }
            is_chunked = true;
        } else if is("connection") {
            for token in value.split(|b| *b == b',') {
                let token = token.trim_ascii();
                if token.eq_ignore_ascii_case(b"close") {
                    head.keep_alive = false;
                } else if token.eq_ignore_ascii_case(b"keep-alive") && !is_http_1_1 {
                    head.keep_alive = true;
                }
            }
        }
    }
    head.framing = match (lengths, is_chunked) {
        // Two answers to one question: somebody is being fooled. Go would believe the chunks.
        (Some(_), true) => {
            return Err(Error::failed(
                "http: both Content-Length and Transfer-Encoding in the response",
            ));
        }
        (Some(length), false) => Framing::Length(length),
        (None, true) => Framing::Chunked,
        (None, false) => Framing::UntilClose,
    };
    Ok(Some((head, length)))
}

/// The head ends with an empty line. Lines end with LF, CR in front of it or not.
fn head_length(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).find_map(|end| match bytes.get(end + 1..)? {
        [b'\n', ..] => Some(end + 2),
        [b'\r', b'\n', ..] => Some(end + 3),
        _ => None,
    })
}

/// The lines of a head, without their ends.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(b'\n', self.0)?;
        let (line, rest) = self.0.split_at(end + 1);
        self.0 = rest;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

impl<'a> Lines<'a> {
    /// A header line with those behind it that continue it.
    fn unfold(&mut self, line: &'a [u8]) -> Cow<'a, [u8]> {
        let mut line = Cow::Borrowed(trim(line));
        while is_folded(self.0) {
            let more = self.next().unwrap_or_default();
            line.to_mut().push(b' ');
            line.to_mut().extend_from_slice(trim(more));
        }
        line
    }
}

fn is_folded(line: &[u8]) -> bool {
    matches!(line, [b' ' | b'\t', ..])
}

/// Without blanks and tabs at the ends.
fn trim(mut line: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = line {
        line = rest;
    }
    line
}

fn malformed(what: &str, text: &[u8]) -> Error {
    let text = text.get(..80).unwrap_or(text);
    let text = String::from_utf8_lossy(text);
    Error::failed(format!("malformed {what} {text:?}"))
}

/// Status and whether it is HTTP/1.1 or later: `HTTP/1.1 200 OK`.
fn parse_status(line: &[u8]) -> Result<(Head, bool), Error> {
    let refuse = || malformed("HTTP response", line);
    let text = std::str::from_utf8(line).map_err(|_| refuse())?;
    let (version, status_text) = text.split_once(' ').ok_or_else(refuse)?;
    let status_text = status_text.trim_matches(' ');
    let code = status_text.split(' ').next().unwrap_or_default();
    let is_code = code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit());
    let status = code.parse().ok().filter(|_| is_code);
    let status = status.ok_or_else(|| malformed("HTTP status code", code.as_bytes()))?;
    let is_http_1_1 = match version.as_bytes() {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            (*major, *minor) >= (b'1', b'1')
        }
        other => return Err(malformed("HTTP version", other)),
    };
    let head = Head {
        status,
        status_text: status_text.to_owned(),
        ..Head::default()
    };
    Ok((head, is_http_1_1))
}

/// Blanks in a name are tolerated, but such a name is none that is looked for (Go: canonicalMIMEHeaderKey).
fn parse_header(line: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let refuse = || malformed("MIME header line", line);
    let colon = memchr::memchr(b':', line).ok_or_else(refuse)?;
    let (name, value) = line.split_at(colon);
    let is_name = |b: u8| b == b' ' || b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let is_value = |b: u8| b == b'\t' || (b >= b' ' && b != 0x7f);
    let value = value.get(1..).unwrap_or_default();
    if name.is_empty() || !name.iter().all(|b| is_name(*b)) || !value.iter().all(|b| is_value(*b)) {
        return Err(refuse());
    }
    Ok((name, trim(value)))
}

fn parse_length(value: &[u8]) -> Result<u64, Error> {
    let text = std::str::from_utf8(value).ok();
    let digits = text.filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|text| text.parse().ok()).ok_or_else(|| {
        let text = String::from_utf8_lossy(value).into_owned();
        Error::failed(format!("http: bad Content-Length {text:?}"))
    })
}

/// The size in front of a chunk; extensions behind `;` mean nothing to us.
fn parse_chunk_size(line: &[u8]) -> Result<u64, Error> {
    let digits = line.split(|b| *b == b';').next().unwrap_or_default();
    let text = std::str::from_utf8(digits.trim_ascii_end()).unwrap_or_default();
    let is_hex =
        !text.is_empty() && text.len() <= 15 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_hex {
        return Err(Error::failed("invalid byte in chunk length"));
    }
    u64::from_str_radix(text, 16).map_err(|_| Error::failed("invalid byte in chunk length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &str, want: Result<(u16, &str, bool), &str>) {
        let got = parse_head(head.as_bytes()).map_err(|error| error.message);
        let got = got.map(|found| {
            let (head, _) = found.unwrap();
            (
                head.status,
                head.content_type,
                head.framing == Framing::Length(4),
            )
        });
        let got = got.as_ref().map(|(s, t, f)| (*s, t.as_str(), *f));
        assert_eq!(got.map_err(String::as_str), want, "{head:?}");
    }

    #[test]
    fn heads_as_go_reads_them() {
        let ok = "HTTP/1.1 200 OK\r\n";
        let typed = "Content-Type: a\r\nContent-Length: 4\r\n\r\n";
        check(&format!("{ok}{typed}"), Ok((200, "a", true)));
        check(
            "HTTP/1.1 200 OK\nContent-Type: a\nContent-Length: 4\n\n",
            Ok((200, "a", true)),
        );
        check(
            &format!("{ok}X-Note: one\r\n two\r\n\tthree\r\n{typed}"),
            Ok((200, "a", true)),
        );
        check(
            &format!("{ok}Content-Type: a;\r\n  b\r\n\r\n"),
            Ok((200, "a; b", false)),
        );
        check(&format!("{ok}X: y\r\n \r\n{typed}"), Ok((200, "a", true)));
        check(
            &format!("{ok}X-Note : one\r\n{typed}"),
            Ok((200, "a", true)),
        );
        check(
            &format!("{ok}Content-Type : b\r\n\r\n"),
            Ok((200, "", false)),
        );
        check(
            &format!("{ok}Content-Type:\ta \t\r\n\r\n"),
            Ok((200, "a", false)),
        );
        check("HTTP/1.0  204\r\n\r\n", Ok((204, "", false)));
        let line = |text: &str| format!("malformed MIME header line {text:?}");
        check(
            &format!("{ok} X: y\r\n{typed}"),
            Err("malformed MIME header initial line \" X: y\""),
        );
        check(&format!("{ok}nothing\r\n{typed}"), Err(&line("nothing")));
        check(&format!("{ok}: x\r\n{typed}"), Err(&line(": x")));
        check(&format!("{ok}a\tb: x\r\n{typed}"), Err(&line("a\tb: x")));
        check(&format!("{ok}a: x\0\r\n{typed}"), Err(&line("a: x\0")));
        check(&format!("{ok}a: x\r\r\n{typed}"), Err(&line("a: x\r")));
        check(
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
            Err("malformed HTTP response \"\""),
        );
        check(
            "HTTP/1.1\r\n\r\n",
            Err("malformed HTTP response \"HTTP/1.1\""),
        );
        check(
            "HTTP/1.1 20\r\n\r\n",
            Err("malformed HTTP status code \"20\""),
        );
        check(
            "HTTP/1.1 +20 x\r\n\r\n",
            Err("malformed HTTP status code \"+20\""),
        );
        check("ICY 200 OK\r\n\r\n", Err("malformed HTTP version \"ICY\""));
        check(
            "\u{15}\u{3}\u{1}",
            Err("the server speaks TLS, use https:// (scheme: https)"),
        );
        for partial in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n\r"] {
            assert_eq!(parse_head(partial.as_bytes()), Ok(None));
        }
    }
}
