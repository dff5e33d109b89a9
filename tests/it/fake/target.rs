//! Answers of a target, good and bad, as the bytes of HTTP/1.1.

use super::http::Reply;
use std::time::Duration;

/// What a target answers.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// 0 stands for 200.
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Chunked coding, in pieces of seven bytes.
    pub chunked: bool,
    /// Announces the whole body, sends so many bytes, closes.
    pub truncate: Option<usize>,
    /// Before the status line.
    pub delay: Duration,
    /// Between head and body.
    pub body_delay: Duration,
    /// Closes without an answer.
    pub close_early: bool,
}

impl Answer {
    /// A page in the text format.
    pub fn text(body: &str) -> Self {
        Self {
            headers: vec![("Content-Type".into(), "text/plain; version=0.0.4".into())],
            body: body.into(),
            ..Self::default()
        }
    }

    /// The answer as a server gives it.
    pub fn reply(&self) -> Reply {
        if self.close_early {
            return Reply::Close;
        }
        let (head, body) = (self.head(), &self.body);
        if let Some(n) = self.truncate {
            let sent = &body[..n.min(body.len())];
            return Reply::BytesThenClose([&head, sent].concat());
        }
        let mut pieces = vec![(self.delay, head)];
        if self.chunked {
            for piece in body.chunks(7) {
                let size = format!("{:x}\r\n", piece.len());
                pieces.push((Duration::ZERO, [size.as_bytes(), piece, b"\r\n"].concat()));
            }
            pieces.push((Duration::ZERO, b"0\r\n\r\n".to_vec()));
        } else if self.status != 204 {
            pieces.push((self.body_delay, body.clone()));
        }
        Reply::Pieces(pieces)
    }

    fn head(&self) -> Vec<u8> {
        let status = if self.status == 0 { 200 } else { self.status };
        let known = http::StatusCode::from_u16(status).ok();
        let reason = known
            .and_then(|it| it.canonical_reason())
            .unwrap_or("Unknown");
        let mut head = format!("HTTP/1.1 {status} {reason}\r\n");
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if self.chunked {
            head += "Transfer-Encoding: chunked\r\n";
        } else if status != 204 {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        head += "\r\n";
        head.into_bytes()
    }
}
