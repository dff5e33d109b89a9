//! Scalars: which style a text allows, and how numbers, bytes and characters that must be escaped are written.

use base64::Engine;

/// Most text by far: a word of letters, digits and `_ . / -`, that is plain without a further look.
pub(super) fn is_simple(text: &str) -> bool {
    // No word of another type is longer.
    const LONGEST_WORD: usize = 5;
    let bytes = text.as_bytes();
    let starts = match bytes.first() {
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O') => {
            bytes.len() > LONGEST_WORD
        }
        Some(first) => first.is_ascii_alphabetic() || *first == b'_',
        None => false,
    };
    let in_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'-');
    starts && bytes.iter().all(in_word)
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

/// What a text's characters allow (`yaml_emitter_analyze_scalar`).
pub(super) struct Analysis {
    pub(super) multiline: bool,
    pub(super) plain: bool,
    pub(super) single_quoted: bool,
    pub(super) block: bool,
}

impl Analysis {
    pub(super) fn of(text: &str) -> Self {
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut breaks, mut special) = (false, false);
        let (mut break_space, mut space_break) = (false, false);
        let (mut after_space, mut after_break, mut after_blank) = (false, false, true);
        let mut chars = text.chars().peekable();
        let mut first = true;
        while let Some(c) = chars.next() {
            let before_blank = chars.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
            indicators |= match c {
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
                | '@' | '`' => first,
                '?' | '-' => first && before_blank,
                ':' => before_blank,
                '#' => after_blank,
                _ => false,
            };
            special |= !is_printable(c);
            if c == ' ' {
                break_space |= after_break;
                (after_space, after_break) = (true, false);
            } else if is_break(c) {
                breaks = true;
                space_break |= after_space;
                (after_space, after_break) = (false, true);
            } else {
                (after_space, after_break) = (false, false);
            }
            after_blank = matches!(c, ' ' | '\t' | '\0') || is_break(c);
            first = false;
        }
        let at_edge = |c: char| c == ' ' || is_break(c);
        let edges = text.starts_with(at_edge) || text.ends_with(at_edge);
        Self {
            multiline: breaks,
            plain: !(indicators || breaks || special || edges || break_space || space_break),
            single_quoted: !(break_space || space_break || special),
            block: !(text.ends_with(' ') || space_break || special),
        }
    }

    /// The style that is possible (`yaml_emitter_select_scalar_style`).
    pub(super) fn style(&self, wanted: Style, simple_key: bool) -> Style {
        let wanted = match wanted {
            _ if simple_key && self.multiline => Style::DoubleQuoted,
            Style::Plain if !self.plain => Style::SingleQuoted,
            wanted => wanted,
        };
        match wanted {
            Style::SingleQuoted if !self.single_quoted => Style::DoubleQuoted,
            Style::Literal if !self.block || simple_key => Style::DoubleQuoted,
            wanted => wanted,
        }
    }
}

pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && c != '\u{feff}'
}

pub(super) fn escaped(c: char) -> String {
    let code = u32::from(c);
    match c {
        '\0' => "\\0".to_owned(),
        '\u{7}' => "\\a".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\t' => "\\t".to_owned(),
        '\n' => "\\n".to_owned(),
        '\u{b}' => "\\v".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\r' => "\\r".to_owned(),
        '\u{1b}' => "\\e".to_owned(),
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\u{85}' => "\\N".to_owned(),
        '\u{a0}' => "\\_".to_owned(),
        '\u{2028}' => "\\L".to_owned(),
        '\u{2029}' => "\\P".to_owned(),
        _ if code <= 0xff => format!("\\x{code:02X}"),
        _ if code <= 0xffff => format!("\\u{code:04X}"),
        _ => format!("\\U{code:08X}"),
    }
}

pub(super) fn base64_lines(bytes: &[u8]) -> String {
    const LINE: usize = 70;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    if text.len() < LINE {
        return text;
    }
    let mut lines = String::with_capacity(text.len() + text.len() / LINE + 1);
    for (i, c) in text.chars().enumerate() {
        if i > 0 && i % LINE == 0 {
            lines.push('\n');
        }
        lines.push(c);
    }
    lines.push('\n');
    lines
}

/// Go's `strconv.FormatFloat(f, 'g', -1, 64)`, and YAML's words for what is no number.
pub(in crate::wire::yaml) fn float(number: f64) -> String {
    if number.is_nan() {
        return ".nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    match exponent.parse::<i32>() {
        Ok(-4..=5) => number.to_string(),
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        Err(_) => scientific,
    }
}
