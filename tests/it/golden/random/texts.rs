//! Strings that a YAML writer has to think about.

use super::Random;
use prometheus_operator_receiver::wire::yaml::resolve::{Scalar, resolve};
use prometheus_operator_receiver::wire::yaml::{Data, Style, emit, parse};

/// Text that a YAML writer has to think about.
pub(super) fn text(r: &mut Random) -> String {
    const TYPED: &[&str] = &[
        "",
        "~",
        "null",
        "yes",
        "No",
        "y",
        "on",
        "OFF",
        "true",
        "1",
        "-0",
        "+7",
        "010",
        "0x1F",
        "0o17",
        "0b1",
        "1_000",
        "1e3",
        "1E-7",
        ".5",
        "1.",
        ".",
        "-.inf",
        ".NaN",
        "1:20",
        "190:20:30.15",
        "2001-12-14",
        "2001-12-14T21:59:43Z",
        "2001-1-1 1:2:3",
        "99999999999999999999",
        "1e999",
        "=",
        "<<",
        "!!str",
        "0.1.2",
        "12e03",
        "-",
        "--",
        "---",
        "...",
    ];
    const MARKS: &[&str] = &[
        "#",
        " #",
        "a #b",
        "a# b",
        ":",
        ": ",
        "a: b",
        "a:b",
        ":a",
        "?",
        "? a",
        "-a",
        "- a",
        ",",
        "[a]",
        "{a: b}",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "'",
        "''",
        "it's: so",
        "\"",
        "a\"b",
        "%",
        "@",
        "`",
        "\\",
        "\\n",
        "$(SHARD)",
        "${1}",
        "$1",
        "a\tb",
        "\t",
        " a",
        "a ",
        "  ",
        "a  b",
        "\u{7f}",
        "\0",
        "\u{1b}",
        "\r",
        "a\r\nb",
        "\u{85}",
        "a\u{2028}b",
        "\u{2029}",
        "\u{feff}a",
        "a\u{feff}",
        "\u{fffd}",
        "\u{fffe}",
        "\u{a0}",
        "é",
        "日本語",
        "😀",
        "a😀 b: c",
        "ß\n",
    ];
    const LINES: &[&str] = &[
        "\n",
        "\n\n",
        "a\n",
        "a\nb",
        "a\n\nb\n\n",
        "\na",
        " a\nb",
        "a\n b",
        "a \nb",
        "a\nb ",
        "a\n#b",
        "a: b\nc",
        "\ta\nb",
        "a\n\u{2028}",
        "a\n😀",
        "a\n---\nb",
        "\n a",
    ];
    match r.below(8) {
        0 => r.of(TYPED).to_owned(),
        1 => r.of(MARKS).to_owned(),
        2 => r.of(LINES).to_owned(),
        3 => format!("{}{}", r.of(TYPED), r.of(MARKS)),
        4 => {
            // Long enough to be folded, with odd gaps.
            let words = 5 + r.below(30);
            let word = |r: &mut Random| {
                "w".repeat(1 + r.below(12)) + r.of(&[" ", "  ", "' ", ": ", " \u{2028}", "\" "])
            };
            (0..words).map(|_| word(r)).collect()
        }
        5 => (0..r.below(12)).map(|_| r.of(MARKS)).collect(),
        6 => {
            let alphabet: Vec<char> = "ab1_-:#,. \n'\"é\u{2028}😀\t".chars().collect();
            (0..r.below(40)).map(|_| r.of(&alphabet)).collect()
        }
        _ => r
            .of(&["metrics", "http", "a-b", "cart_1", "x.y/z"])
            .to_owned(),
    }
}

#[test]
fn texts_are_read_back() {
    let mut random = Random::new(5);
    for _ in 0..5_000 {
        let text = text(&mut random);
        // Line separators are written as upstream writes them, which readers take for line breaks.
        if text.contains(['\u{85}', '\u{2028}', '\u{2029}']) {
            continue;
        }
        let map = emit::map([("k", text.as_str().into())]);
        let written = emit::document(&emit::map([("l", emit::Tree::List(vec![map]))]));
        let node = parse(written.as_bytes()).unwrap().unwrap();
        let Data::Mapping(outer) = &node.data else {
            panic!("{written}")
        };
        let Data::Sequence(items) = &outer[0].1.data else {
            panic!("{written}")
        };
        let Data::Mapping(inner) = &items[0].data else {
            panic!("{written}")
        };
        let Data::Scalar(read, style) = &inner[0].1.data else {
            panic!("{written}")
        };
        assert_eq!(**read, *text, "{written}");
        assert!(
            *style == Style::Quoted || resolve(read) == Scalar::Text,
            "{written}"
        );
    }
}
