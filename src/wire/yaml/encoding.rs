//! UTF-16 as UTF-8 (go-yaml: readerc.go): the reader below (libyaml-safer 0.3) loses characters where its buffer is filled again.

use super::Error;
use std::borrow::Cow;

/// The text without its byte order mark, as UTF-8 if the mark says that it is UTF-16; what else there is stays as it is.
pub(super) fn to_utf8(text: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    let (units, unit_of): (_, fn([u8; 2]) -> u16) = match text {
        [0xef, 0xbb, 0xbf, rest @ ..] => return Ok(Cow::Borrowed(rest)),
        [0xff, 0xfe, rest @ ..] => (rest.chunks_exact(2), u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => (rest.chunks_exact(2), u16::from_be_bytes),
        _ => return Ok(Cow::Borrowed(text)),
    };
    let refused = |message: &str| Error {
        line: None,
        message: message.to_owned(),
    };
    if !units.remainder().is_empty() {
        return Err(refused("incomplete UTF-16 character"));
    }
    let units = units.map(|pair| match pair {
        [first, second] => unit_of([*first, *second]),
        _ => 0,
    });
    let utf8: String = char::decode_utf16(units)
        .collect::<Result<_, _>>()
        .map_err(|_| refused("half of a UTF-16 surrogate pair"))?;
    Ok(Cow::Owned(utf8.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_tell_the_encoding() {
        let units = |text: &str| {
            "\u{feff}"
                .encode_utf16()
                .chain(text.encode_utf16())
                .collect()
        };
        let text = "é: 😀\n".repeat(1000);
        let all: Vec<u16> = units(&text);
        let little: Vec<u8> = all.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = all.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for bytes in [&little, &big] {
            assert_eq!(to_utf8(bytes).unwrap(), text.as_bytes());
            // An odd byte, and half of the last pair of surrogates.
            assert!(to_utf8(&bytes[..bytes.len() - 1]).is_err());
            assert!(to_utf8(&bytes[..bytes.len() - 4]).is_err());
        }
        assert_eq!(to_utf8(b"\xef\xbb\xbfa").unwrap(), b"a".as_slice());
        assert_eq!(to_utf8(b"a\xff").unwrap(), b"a\xff".as_slice());
        assert_eq!(to_utf8(b"\xff\xfe").unwrap(), b"".as_slice());
    }
}
