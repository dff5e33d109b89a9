use super::super::compose::parse_any;
use super::super::emit::{Tree, document};
use super::parse;
use proptest::prelude::*;
use std::path::Path;

/// Whether the quick reader takes a text; if so, the general reader gives the same.
#[track_caller]
fn agrees(text: &str) -> bool {
    let Some(node) = parse(text.as_bytes()) else {
        return false;
    };
    assert_eq!(Ok(Some(node)), parse_any(text.as_bytes()), "{text}");
    true
}

#[test]
fn it_takes_what_it_is_for() {
    for text in [
        "a: 1\n",
        "a: 1",
        "a:\n- b\n- c: 'x: ''y'''\n  d: []\ne:\n  f:\n    - - g\n      - \"true\"\n",
        "- job_name: x/y/0\n  regex: (a|b).+;$\n  labels: {}\n",
        "- a:b\n- -x\n- a: http://b:1/c#d\n",
    ] {
        assert!(agrees(text), "{text}");
    }
}

#[test]
fn it_leaves_the_rest() {
    for text in [
        "",
        "\n",
        "a",
        "a:\n",
        "a: \n",
        "a:  b\n",
        "a: b \n",
        "a: b\n\n",
        "a: b # c\n",
        "a: b: c\n",
        "a: b:\n",
        "a: b\n  c\n",
        "a: \"b\\n\"\n",
        "a: 'b'c'\n",
        "a: 'b''\n",
        "a: |\n  b\n",
        "a: &b c\n",
        "a: [b]\n",
        "a: é\n",
        "? a\n: b\n",
        "a: b\n- c\n",
        "- a\nb: c\n",
        "  a: b\n c: d\n",
        "a:\n  b: c\n d: e\n",
        "---\na: b\n",
        "a: b\n...\n",
        "a: b\n---\nc: d\n",
        "<<: {}\n",
    ] {
        assert!(!agrees(text), "{text}");
    }
}

/// All YAML of the golden cases.
fn corpus() -> Vec<String> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_yaml = path
                .extension()
                .is_some_and(|end| end == "yml" || end == "yaml");
            if path.is_dir() {
                folders.push(path);
            } else if is_yaml {
                texts.extend(std::fs::read_to_string(path));
            }
        }
    }
    texts.sort();
    texts
}

#[test]
fn the_corpus_is_read_alike() {
    let corpus = corpus();
    let taken = corpus.iter().filter(|text| agrees(text)).count();
    assert!(taken > 400, "only {taken} of {} are taken", corpus.len());
}

/// Replaces, inserts or doubles something at a place.
fn mutate(text: &str, (place, what, how): (usize, &str, u8)) -> String {
    let at = place % (text.len() + 1);
    let at = (at..).find(|at| text.is_char_boundary(*at)).unwrap();
    let (before, after) = text.split_at(at);
    let mut rest = after.chars();
    match how {
        0 => format!("{before}{what}{after}"),
        1 => {
            rest.next();
            format!("{before}{what}{}", rest.as_str())
        }
        2 => {
            // The line is doubled, dropped or moved.
            let (line, rest) = after.split_once('\n').unwrap_or((after, ""));
            format!("{before}{what}{line}\n{line}\n{rest}")
        }
        _ => {
            let (_, rest) = after.split_once('\n').unwrap_or((after, ""));
            format!("{before}{what}{rest}")
        }
    }
}

fn mutation() -> impl Strategy<Value = (usize, &'static str, u8)> {
    let what = [
        "", " ", "  ", "\n", "\n  ", "\n- ", "- ", ":", ": ", ":\n", "#", " #", "'", "''", "\"",
        "[", "]", "{}", "[]", "&a ", "*a", "!", "|", ">", "?", "? ", "%", "@", "~", "a", "a: ",
        "a: b\n", "-", "--- ", "...", "\\", "\t", "é", "\r", ",", "<<: ",
    ];
    (
        any::<usize>(),
        proptest::sample::select(what.to_vec()),
        0u8..4,
    )
}

fn tree() -> impl Strategy<Value = Tree<'static>> {
    let word = "[a-z_/][a-z0-9_./-]{0,6}";
    let text = prop_oneof![
        3 => word.prop_map(Tree::from),
        2 => "[ -~]{0,12}".prop_map(Tree::from),
        1 => "[a #:'\"\\[\\]{}&*!|>?%@`,~$^+()é\n-]{0,8}".prop_map(Tree::from),
        1 => any::<i64>().prop_map(Tree::from),
        1 => any::<bool>().prop_map(Tree::from),
    ];
    text.prop_recursive(5, 40, 5, move |inner| {
        let key =
            prop_oneof![8 => word.prop_map(Tree::from), 1 => "[ -~]{0,8}".prop_map(Tree::from)];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Tree::List),
            proptest::collection::vec((key, inner), 0..5).prop_map(Tree::Map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn emitted_documents_are_read_alike(
        tree in tree(),
        mutations in proptest::collection::vec(mutation(), 0..4),
    ) {
        let text = document(&tree);
        agrees(&text);
        agrees(&mutations.into_iter().fold(text, |text, one| mutate(&text, one)));
    }

    #[test]
    fn any_text_is_read_alike(text in "([ ]{0,4}(- )?([a-c]: ?|[a-c]:\n)?['\"]?[a-c:#\\[\\]{}'\" -]{0,4}['\"]?\n){1,6}") {
        agrees(&text);
    }
}

#[test]
fn mutated_corpus_documents_are_read_alike() {
    let corpus = corpus();
    let small: Vec<_> = corpus
        .iter()
        .filter(|text| text.len() < 3_000 && agrees(text))
        .collect();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 2_000,
        ..ProptestConfig::default()
    });
    let strategy = (any::<usize>(), proptest::collection::vec(mutation(), 1..3));
    let result = runner.run(&strategy, |(which, mutations)| {
        let text = small[which % small.len()].clone();
        agrees(
            &mutations
                .into_iter()
                .fold(text, |text, one| mutate(&text, one)),
        );
        Ok(())
    });
    result.unwrap();
}
