//! A pattern's tree in the syntax of the `regex` crate: everything spelled out, so that no default of the crate matters.

use super::re2::{Class, Item, Kind, Look, Node};

pub(super) fn emit(root: &Node) -> String {
    let mut out = String::new();
    write_node(&mut out, root);
    out
}

fn write_node(out: &mut String, node: &Node) {
    match &node.kind {
        Kind::Empty => out.push_str("(?:)"),
        Kind::Literal { text, fold } => {
            out.push_str(if *fold { "(?i:" } else { "" });
            out.push_str(&regex::escape(text));
            out.push_str(if *fold { ")" } else { "" });
        }
        Kind::Class { class, fold } => {
            out.push_str(if *fold { "(?i:" } else { "" });
            write_class(out, class, *fold);
            out.push_str(if *fold { ")" } else { "" });
        }
        Kind::Any { newline } => out.push_str(if *newline { "(?s:.)" } else { "[^\\n]" }),
        Kind::Look(look) => out.push_str(match look {
            Look::TextStart => "\\A",
            Look::TextEnd => "\\z",
            Look::LineStart => "(?m:^)",
            Look::LineEnd => "(?m:$)",
            Look::Boundary => "(?-u:\\b)",
            Look::NotBoundary => "(?-u:\\B)",
        }),
        Kind::Concat(nodes) => nodes.iter().for_each(|node| match node.kind {
            Kind::Alternate(_) => write_grouped(out, node),
            _ => write_node(out, node),
        }),
        Kind::Alternate(nodes) => {
            for (at, node) in nodes.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "|" });
                write_node(out, node);
            }
        }
        Kind::Group(_, node) => {
            out.push('(');
            write_node(out, node);
            out.push(')');
        }
        Kind::Repeat {
            node,
            min,
            max,
            lazy,
        } => {
            write_grouped(out, node);
            match (min, max) {
                (0, None) => out.push('*'),
                (1, None) => out.push('+'),
                (0, Some(1)) => out.push('?'),
                (min, None) => out.push_str(&format!("{{{min},}}")),
                (min, Some(max)) => out.push_str(&format!("{{{min},{max}}}")),
            }
            out.push_str(if *lazy { "?" } else { "" });
        }
    }
}

fn write_grouped(out: &mut String, node: &Node) {
    if matches!(
        node.kind,
        Kind::Group(..) | Kind::Any { .. } | Kind::Class { fold: false, .. }
    ) {
        return write_node(out, node);
    }
    out.push_str("(?:");
    write_node(out, node);
    out.push(')');
}

fn write_class(out: &mut String, class: &Class, fold: bool) {
    out.push_str(if class.negated { "[^" } else { "[" });
    for item in &class.items {
        match item {
            Item::Range(low, high) => write_range(out, *low, *high),
            // An empty class, in the crate's syntax.
            Item::Nothing => out.push_str("[^\\x{0}-\\x{10FFFF}]"),
            Item::Ascii { negated, ranges } => {
                out.push_str(if *negated { "[^" } else { "[" });
                ranges
                    .iter()
                    .for_each(|(low, high)| write_range(out, *low, *high));
                // RE2 folds the ranges before it negates them; the crate folds the finished class, in which K and ſ
                // (U+212A, U+017F) would bring their ASCII letters back.
                let has = |letter: char| {
                    ranges
                        .iter()
                        .any(|(low, high)| (*low..=*high).contains(&letter))
                };
                if fold && *negated {
                    let letters = [('k', 'K', '\u{212a}'), ('s', 'S', '\u{17f}')];
                    for (lower, upper, other) in letters {
                        if has(lower) || has(upper) {
                            write_range(out, other, other);
                        }
                    }
                    let mirrored = |low: char| match low {
                        'a'..='z' => low.to_ascii_uppercase(),
                        other => other.to_ascii_lowercase(),
                    };
                    for (low, high) in ranges.iter().filter(|(low, _)| low.is_ascii_alphabetic()) {
                        write_range(out, mirrored(*low), mirrored(*high));
                    }
                }
                out.push(']');
            }
            Item::Unicode { negated, name } => match (*negated, name.as_str()) {
                // The crate folds `\P{…}` as RE2 does: first fold, then negate.
                (false, name) => out.push_str(&format!("\\p{{{name}}}")),
                (true, name) => out.push_str(&format!("\\P{{{name}}}")),
            },
        }
    }
    out.push(']');
}

fn write_range(out: &mut String, low: char, high: char) {
    let (low, high) = (u32::from(low), u32::from(high));
    out.push_str(&format!("\\x{{{low:X}}}-\\x{{{high:X}}}"));
}

/// The crate's name of a class `\p{…}` that Go knows. Case, blanks, `_` and `-` don't matter (since Go 1.25).
pub(super) fn unicode_name(name: &str) -> Option<String> {
    let loose = |text: &str| -> String {
        let kept = text.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
        kept.map(|c| c.to_ascii_lowercase()).collect()
    };
    let wanted = loose(name);
    let is = |known: &&str| loose(known) == wanted;
    if let Some(known) = ["any", "assigned", "ascii"].into_iter().find(is) {
        return Some(known.to_owned());
    }
    if let Some(known) = CATEGORIES.split_ascii_whitespace().find(is) {
        return Some(format!("gc={known}"));
    }
    SCRIPTS
        .split_ascii_whitespace()
        .find(is)
        .map(|known| format!("sc={known}"))
}

/// Unicode's general categories, short and long.
const CATEGORIES: &str = "C Cc Cf Cn Co Cs L LC Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs \
    Cased_Letter Close_Punctuation Combining_Mark Connector_Punctuation Control Currency_Symbol Dash_Punctuation \
    Decimal_Number Enclosing_Mark Final_Punctuation Format Initial_Punctuation Letter Letter_Number Line_Separator \
    Lowercase_Letter Mark Math_Symbol Modifier_Letter Modifier_Symbol Nonspacing_Mark Number Open_Punctuation Other \
    Other_Letter Other_Number Other_Punctuation Other_Symbol Paragraph_Separator Private_Use Punctuation Separator \
    Space_Separator Spacing_Mark Surrogate Symbol Titlecase_Letter Unassigned Uppercase_Letter cntrl digit punct";

/// Unicode's scripts as of version 15, which is Go's, without those of several words: Go 1.26 looks names up in a form without
/// `_` in which it has no such script.
const SCRIPTS: &str = "Adlam Ahom Arabic Armenian Avestan Balinese Bamum Batak Bengali Bhaiksuki Bopomofo Brahmi Braille Buginese \
    Buhid Carian Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot Cyrillic Deseret Devanagari Dogra \
    Duployan Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gurmukhi Han Hangul \
    Hanunoo Hatran Hebrew Hiragana Inherited Javanese Kaithi Kannada Katakana Kawi Kharoshthi Khmer Khojki \
    Khudawadi Lao Latin Lepcha Limbu Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic Manichaean Marchen \
    Medefaidrin Miao Modi Mongolian Mro Multani Myanmar Nabataean Nandinagari Newa Nko Nushu Ogham Oriya Osage \
    Osmanya Palmyrene Phoenician Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham Sinhala Sogdian Soyombo \
    Sundanese Syriac Tagalog Tagbanwa Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto \
    Ugaritic Vai Vithkuqi Wancho Yezidi Yi";
