use super::*;
use crate::model::bounds::Bounds;

fn rule(action: Action, sources: &[&str], regex: &str, target: &str, replacement: &str) -> Rule {
    Rule {
        source_labels: sources.iter().map(|name| Text::from(*name)).collect(),
        separator: Text::default(),
        regex: Some(regex.into()),
        modulus: 1,
        target_label: target.into(),
        replacement: replacement.into(),
        action,
        scheme: ValidationScheme::Utf8,
    }
}

fn compiled(rules: Vec<Rule>) -> RelabelRules {
    let mut patterns = Patterns::default();
    let rules = rules.into_iter();
    let rules = rules.map(|rule| Arc::new(CompiledRule::new(rule, &mut patterns).unwrap()));
    RelabelRules::new(rules.collect())
}

/// Each of these would build gigabytes, or take minutes.
#[test]
fn what_rules_build_and_match_is_bounded() {
    let double = || rule(Action::Replace, &["a", "a"], "(.*)", "a", "$1");
    let many = "$1".repeat(2000);
    let ab: String = (0..900_000u32)
        .map(|i| if i.count_ones() % 2 == 0 { 'a' } else { 'b' })
        .collect();
    let kilo = "x".repeat(1000);
    let big = "y".repeat(1 << 20);
    for (rules, value, want) in [
        (
            (0..22).map(|_| double()).collect(),
            &kilo,
            "rule 10 (replace, regex \"(.*)\", targetLabel \"a\"): a label of ",
        ),
        (
            vec![rule(Action::Replace, &["a"], "(.*)", "a", &many)],
            &kilo,
            "rule 0 (replace, regex \"(.*)\", targetLabel \"a\"): a label of ",
        ),
        (
            vec![rule(Action::Replace, &["a"], "(.*)", "${1}${1}", "v")],
            &big,
            "rule 0 (replace, regex \"(.*)\", targetLabel \"${1}${1}\"): a label of 2",
        ),
        (
            (0..9)
                .map(|i| rule(Action::Replace, &["a"], "(.*)", &format!("b{i}"), "$1"))
                .collect(),
            &big,
            "rule 0 (replace, regex \"(.*)\", targetLabel \"b0\"): labels of 2",
        ),
        (
            vec![rule(
                Action::LabelMap,
                &[],
                "(.)",
                "",
                &format!("{}$1", "$1".repeat(2 << 20)),
            )],
            &kilo,
            "rule 0 (labelmap, regex \"(.)\", targetLabel \"\"): a label of ",
        ),
        (
            vec![rule(Action::Keep, &["a"], ".*a[ab]{400}[^ab]", "", "")],
            &ab,
            "rule 0 (keep, regex \".*a[ab]{400}[^ab]\", targetLabel \"\"): the pattern is too complicated for a text of 900000",
        ),
    ] {
        let mut labels = LabelsBuilder::new();
        labels.set("a", value);
        let bounds = Bounds::default();
        let stopped = compiled(rules).apply(&mut labels, &mut Work::of(&bounds, u64::MAX));
        let stopped = stopped.unwrap_err().to_string();
        assert!(
            stopped.starts_with(&format!("relabelling {want}")),
            "{stopped}"
        );
        assert!(labels.size() <= 4 << 20);
    }
}

#[test]
fn rules_stop_when_their_work_is_done() {
    let rules = (0..100).map(|_| rule(Action::Lowercase, &["a"], ".*", "b", ""));
    let rules = compiled(rules.collect());
    let mut labels = LabelsBuilder::new();
    labels.set("a", &"x".repeat(84));
    let bounds = Bounds::default();
    let stopped = rules
        .apply(&mut labels, &mut Work::of(&bounds, 1000))
        .unwrap_err();
    let want =
        "relabelling rule 10 (lowercase, regex \".*\", targetLabel \"b\"): it takes too long";
    assert_eq!(stopped.to_string(), want);
}

/// So many labels that a search or a move for each would not end.
#[test]
fn a_labelmap_of_many_labels() {
    let mut labels = LabelsBuilder::new();
    let name = |i: usize| Text::from(format!("{i:x}"));
    labels.set_all((0..100_000).map(|i| (name(i), Text::from("v"))).collect());
    labels.set("zz", "last");
    let rules = compiled(vec![
        rule(Action::LabelMap, &[], "(.*)", "", "m$1"),
        rule(Action::LabelMap, &[], "m(.*)", "", "n$1"),
        rule(Action::LabelDrop, &[], "m.*", "", ""),
    ]);
    let bounds = Bounds::default();
    let kept = rules.apply(&mut labels, &mut Work::of(&bounds, u64::MAX));
    assert_eq!(kept, Ok(Keep::Yes));
    assert_eq!(labels.pairs().len(), 200_002);
    assert_eq!(labels.get("nzz"), Some("last"));
}

#[test]
fn case_mapping_is_simple() {
    for (text, lower, upper) in [
        ("ß", "ß", "ß"),
        ("ΑΣ", "ασ", "ΑΣ"),
        ("İ", "i", "İ"),
        ("ᾀ", "ᾀ", "ᾈ"),
        ("ᾳ", "ᾳ", "ᾼ"),
        ("ﬁ", "ﬁ", "ﬁ"),
        ("ǅ", "ǆ", "Ǆ"),
    ] {
        assert_eq!(
            (lowercase(text).as_str(), uppercase(text).as_str()),
            (lower, upper),
            "{text}"
        );
    }
}
