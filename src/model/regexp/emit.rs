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
