use super::*;
use proptest::prelude::*;

impl Regexp {
    /// The pattern without its shortcut.
    fn engine(pattern: &str) -> Self {
        let parsed = re2::parse(&format!("^(?s:{pattern})$")).unwrap();
        Self {
            pattern: Text::from(pattern),
            matcher: Matcher::Engine(compile(&parsed.root).unwrap()),
            steps: 1,
            names: parsed.names.into(),
        }
    }

    fn is_plain(&self) -> bool {
        matches!(self.matcher, Matcher::Plain(_))
    }

    fn all(&self, value: &str) -> Option<String> {
        let template = Template::new("$0|$1|$2|$3", self);
        let mut out = String::new();
        self.expand(value, &mut [(&template, &mut out)], 1 << 20)
            .unwrap()
            .then_some(out)
    }
}

#[track_caller]
fn check(pattern: &str, value: &str, want: Option<&str>) {
    let regexp = Regexp::new(pattern).unwrap();
    assert_eq!(regexp.all(value).as_deref(), want, "{pattern} on {value}");
    assert_eq!(regexp.is_match(value), want.is_some());
}

#[test]
fn the_dialect_is_re2s() {
    check("foo", "foo", Some("foo|||"));
    check("foo", "foo\n", None);
    check("a.c", "a\nc", Some("a\nc|||"));
    check("foo)|(bar", "xbar", Some("bar|bar||"));
    check(r"\d+", "٣", None);
    check(r"(\w)\b(.)", "a!", Some("a!|a|!|"));
    check("a{,3}", "a{,3}", Some("a{,3}|||"));
    check("x{01}{", "x{01}{", Some("x{01}{|||"));
    check("[[a]&&b]", "[&&b]", Some("[&&b]|||"));
    check("[[a&&b]", "&", Some("&|||"));
    check("[a~~b-]+", "~-a", Some("~-a|||"));
    check(r"\Qa.b\E+", "a.bb", Some("a.bb|||"));
    check(r"\<a\>", "<a>", Some("<a>|||"));
    check(r"\101\x42\x{43}\0", "ABC\0", Some("ABC\0|||"));
    check("(?i)k(?-i)s", "\u{212a}s", Some("\u{212a}s|||"));
    check("(?i)[^k]", "\u{212a}", None);
    check(r"(?i)[\W]", "k", None);
    check(r"(?i)[[:^upper:]]", "a", None);
    check("(?U)(a+)(a*)", "aaa", Some("aaa|a|aa|"));
    check("(?U)(a+?)(a*)", "aaa", Some("aaa|aaa||"));
    check(r"\p{lu}\p{ L }\pN\p{^Greek}", "Aa1b", Some("Aa1b|||"));
    check("(?P<1a>x)(?P<1a>y)?", "x", Some("x|x||"));
    check("[[:alpha:]]+", "é", None);
    check("", "", Some("|||"));
    check("a||b", "", Some("|||"));
}

#[test]
fn what_re2_refuses_is_refused() {
    for pattern in [
        "(",
        "a**",
        "a{1001}",
        "(a{100}){11}",
        "(a{500,}){3}",
        "*a",
        "a|*",
        "[a",
        r"\Qa",
        r"\u0041",
        r"\Z",
        r"\8",
        "(?x)a",
        "(?P<né>x)",
        "(?=a)",
        r"\p{Script=Greek}",
        r"\p{Alphabetic}",
        "[[:foo:]]",
        "[b-a]",
        r"\x{110000}",
        "(?-)a",
        "(?i--s)a",
        "a{2,1}",
        r"\",
        "(?P<a",
    ] {
        assert!(
            matches!(Regexp::new(pattern), Err(Error::Syntax { .. })),
            "{pattern}"
        );
    }
}

#[test]
fn nesting_is_limited_as_upstream() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Regexp::new(&nested(990)).is_ok());
    assert!(Regexp::new(&nested(1000)).is_err());
    let repeated = |depth: usize| format!("{}a{}", "(?:b".repeat(depth), "*)".repeat(depth));
    assert!(Regexp::new(&repeated(120)).is_ok());
    assert_eq!(Regexp::new(&repeated(400)).unwrap_err(), Error::TooDeep);
}

#[test]
fn templates_are_gos() {
    let regexp = Regexp::new("(?P<n>.)(.)?").unwrap();
    for (template, want) in [
        ("$1", "x"),
        ("${1}", "x"),
        ("$2", ""),
        ("$10", ""),
        ("$1_s", ""),
        ("$01", ""),
        ("${01}", ""),
        ("$1é", ""),
        ("$é", ""),
        ("${a b}", "${a b}"),
        ("${1", "${1"),
        ("$", "$"),
        ("a$", "a$"),
        ("$$1", "$1"),
        ("$-", "$-"),
        ("${}", "${}"),
        ("$n-${n}", "x-x"),
        ("$0", "x"),
    ] {
        let mut out = String::new();
        assert!(
            regexp
                .expand(
                    "x",
                    &mut [(&Template::new(template, &regexp), &mut out)],
                    100
                )
                .unwrap()
        );
        assert_eq!(out, want, "{template}");
    }
}

#[test]
fn every_match_is_replaced() {
    let regexp = Regexp::new("foo)|(bar").unwrap();
    let replaced = |value| {
        regexp
            .replace_all(value, &Template::new("<$0>", &regexp), 100)
            .unwrap()
    };
    assert_eq!(replaced("foo_bar").as_deref(), Some("<foo>_<bar>"));
    assert_eq!(replaced("x"), None);
}

#[test]
fn the_usual_patterns_are_plain() {
    for pattern in [
        "",
        "(.*)",
        ".+",
        "foo.*",
        "a|b|",
        "(a|b);true",
        "(cart);true",
        "__meta_(.+)",
        "x(a(.*)b)y",
    ] {
        assert!(Regexp::new(pattern).unwrap().is_plain(), "{pattern}");
    }
    for pattern in [
        "(?-s:.*)", "a.*b.*", "(?i)a", "a|.*", "a)|(b", "(a|b)*", "[ab]",
    ] {
        assert!(!Regexp::new(pattern).unwrap().is_plain(), "{pattern}");
    }
}

fn part() -> impl Strategy<Value = String> {
    let text = "[abé;]{0,3}".prop_map(|text| text);
    let choice = proptest::collection::vec("[abé]{0,2}", 1..4)
        .prop_map(|all| format!("({})", all.join("|")));
    let any = proptest::sample::select(vec!["(.*)", ".+", "(.+?)", "(.*)", "a(.+)b"])
        .prop_map(str::to_owned);
    prop_oneof![4 => text, 2 => choice, 2 => any]
}

proptest! {
    #[test]
    fn plain_patterns_equal_the_engine(
        parts in proptest::collection::vec(part(), 0..4),
        value in "[abé;\n]{0,8}",
    ) {
        let pattern = parts.concat();
        let (plain, engine) = (Regexp::new(&pattern).unwrap(), Regexp::engine(&pattern));
        prop_assert_eq!(plain.all(&value), engine.all(&value), "{}", pattern);
        let template = Template::new("<$1>", &plain);
        prop_assert_eq!(plain.replace_all(&value, &template, 1000), engine.replace_all(&value, &template, 1000));
    }
}
