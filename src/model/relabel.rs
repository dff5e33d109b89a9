//! Relabelling (prometheus: model/relabel/relabel.go). Rules are validated when a configuration is loaded; here they run.

use super::hash;
use super::labels::{LabelsBuilder, Text};
use super::name::ValidationScheme;
use super::regexp::{self, Patterns, Regexp, Template};
use std::fmt::Write as _;
use std::sync::Arc;

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Action {
    /// Drops the target unless two labels are equal.
    KeepEqual,
    /// Drops the target if two labels are equal.
    DropEqual,
    /// Sets the target label to a hash of the sources, modulo a number.
    HashMod,
    /// Drops the target unless the sources match.
    Keep,
    /// Drops the target if the sources match.
    Drop,
    /// Deletes labels whose names match.
    LabelDrop,
    /// Deletes labels whose names don't match.
    LabelKeep,
    /// Copies labels whose names match to new names.
    LabelMap,
    /// Sets the target label to the sources in lower case.
    Lowercase,
    /// Sets the target label to the replacement if the sources match.
    #[default]
    Replace,
    /// Sets the target label to the sources in upper case.
    Uppercase,
}

impl Action {
    /// All actions with their words.
    const WORDS: [(Self, &'static str); 11] = [
        (Self::Replace, "replace"),
        (Self::Keep, "keep"),
        (Self::Drop, "drop"),
        (Self::KeepEqual, "keepequal"),
        (Self::DropEqual, "dropequal"),
        (Self::HashMod, "hashmod"),
        (Self::LabelMap, "labelmap"),
        (Self::LabelDrop, "labeldrop"),
        (Self::LabelKeep, "labelkeep"),
        (Self::Lowercase, "lowercase"),
        (Self::Uppercase, "uppercase"),
    ];

    /// The action of a word, in any case.
    pub fn from_word(word: &str) -> Option<Self> {
        let lower = lowercase(word);
        let found = Self::WORDS.iter().find(|(_, known)| *known == lower);
        found.map(|(action, _)| *action)
    }

    /// The word in a configuration.
    pub fn as_str(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(action, _)| *action == self);
        found.map_or("", |(_, word)| word)
    }
}

/// The pattern of a rule that has none.
pub const DEFAULT_REGEX: &str = "(.*)";

/// The replacement of a rule that has none.
pub const DEFAULT_REPLACEMENT: &str = "$1";

/// The separator of a rule that has none.
pub const DEFAULT_SEPARATOR: &str = ";";

/// One rule, validated.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Labels whose values are joined by `separator`.
    pub source_labels: Vec<Text>,
    /// Between the joined values.
    pub separator: Text,
    /// The pattern as it was written, without the anchors; `None`: it was not written, [`DEFAULT_REGEX`].
    pub regex: Option<Text>,
    /// For `hashmod`.
    pub modulus: u64,
    /// The label set by the rule; may hold `$1`.
    pub target_label: Text,
    /// What it is set to; may hold `$1`.
    pub replacement: Text,
    /// What the rule does.
    pub action: Action,
    /// Which label names are valid for the job.
    pub scheme: ValidationScheme,
}

impl Rule {
    /// The pattern that applies.
    pub fn pattern(&self) -> &str {
        self.regex.as_deref().unwrap_or(DEFAULT_REGEX)
    }
}

/// Whether relabelling keeps its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Go on with the changed labels.
    Yes,
    /// Drop the target or sample.
    No,
}

/// A rule, compiled. Lists share it.
#[derive(Debug)]
pub struct CompiledRule {
    rule: Rule,
    regexp: Arc<Regexp>,
    target: Template,
    replacement: Template,
    /// For `replace`: the target is a valid name in any case, so that it needs no building.
    fixed_target: bool,
}

impl PartialEq for CompiledRule {
    fn eq(&self, other: &Self) -> bool {
        self.rule == other.rule
    }
}

impl Eq for CompiledRule {}

impl CompiledRule {
    /// Compiles a rule with patterns that others may have compiled before.
    ///
    /// # Errors
    /// The pattern does not compile.
    pub fn new(rule: Rule, patterns: &mut Patterns) -> Result<Self, regexp::Error> {
        let regexp = patterns.get(rule.pattern())?;
        let target = Template::new(&rule.target_label, &regexp);
        let plain = target.as_text() == Some(&*rule.target_label);
        Ok(Self {
            fixed_target: plain && rule.scheme.is_label_name(&rule.target_label),
            replacement: Template::new(&rule.replacement, &regexp),
            target,
            regexp,
            rule,
        })
    }

    /// The rule.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }
}

/// A list of rules, compiled. Cloning counts a reference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelabelRules {
    rules: Arc<[Arc<CompiledRule>]>,
    /// Some rule is a labelmap, so that the order in which labels are set matters.
    maps: bool,
}

impl RelabelRules {
    /// A list of these rules, in this order.
    pub fn new(rules: Vec<Arc<CompiledRule>>) -> Self {
        let is_map = |rule: &Arc<CompiledRule>| rule.rule.action == Action::LabelMap;
        Self {
            maps: rules.iter().any(is_map),
            rules: rules.into(),
        }
    }

    /// The rules in order.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &Rule> {
        self.rules.iter().map(|rule| rule.rule())
    }

    /// Whether both are the very same list in memory.
    pub fn same(a: &Self, b: &Self) -> bool {
        Arc::ptr_eq(&a.rules, &b.rules)
    }

    /// Whether someone else holds the same list.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.rules) > 1
    }

    /// Applies all rules in order; stops at the first that drops.
    pub fn apply(&self, labels: &mut LabelsBuilder) -> Keep {
        let mut run = Run {
            labels,
            set: Vec::new(),
            maps: self.maps,
            joined: String::new(),
            text: String::new(),
        };
        for compiled in &*self.rules {
            if run.apply(compiled) == Keep::No {
                return Keep::No;
            }
        }
        Keep::Yes
    }
}

/// One application of a list of rules.
struct Run<'l> {
    labels: &'l mut LabelsBuilder,
    /// Names set by the rules so far, in order: labelmap visits them after the others.
    set: Vec<Text>,
    /// Whether there is a labelmap.
    maps: bool,
    joined: String,
    text: String,
}

impl Run<'_> {
    fn apply(&mut self, compiled: &CompiledRule) -> Keep {
        let rule = &compiled.rule;
        let keep = |yes| if yes { Keep::Yes } else { Keep::No };
        match rule.action {
            Action::Keep => return keep(compiled.regexp.is_match(self.value(rule))),
            Action::Drop => return keep(!compiled.regexp.is_match(self.value(rule))),
            Action::KeepEqual => return keep(self.is_equal(rule)),
            Action::DropEqual => return keep(!self.is_equal(rule)),
            Action::Replace => self.replace(compiled),
            Action::HashMod => {
                // Validation refuses a modulus of 0.
                let rest = hash::hashmod(self.value(rule)).checked_rem(rule.modulus);
                let mut text = std::mem::take(&mut self.text);
                text.clear();
                // Writing into a string does not fail.
                _ = write!(text, "{}", rest.unwrap_or(0));
                self.set(&rule.target_label, &text);
                self.text = text;
            }
            Action::Lowercase => {
                let text = lowercase(self.value(rule));
                self.set(&rule.target_label, &text);
            }
            Action::Uppercase => {
                let text = uppercase(self.value(rule));
                self.set(&rule.target_label, &text);
            }
            Action::LabelMap => self.label_map(compiled),
            Action::LabelDrop => self.retain(|name| !compiled.regexp.is_match(name)),
            Action::LabelKeep => self.retain(|name| compiled.regexp.is_match(name)),
        }
        Keep::Yes
    }

    /// The values of the source labels, joined.
    fn value(&mut self, rule: &Rule) -> &str {
        value_of(self.labels, rule, &mut self.joined)
    }

    fn is_equal(&mut self, rule: &Rule) -> bool {
        let value = value_of(self.labels, rule, &mut self.joined);
        self.labels.get(&rule.target_label).unwrap_or_default() == value
    }

    fn replace(&mut self, compiled: &CompiledRule) {
        let rule = &compiled.rule;
        let value = value_of(self.labels, rule, &mut self.joined);
        self.text.clear();
        if compiled.fixed_target {
            if compiled.replacement.as_text() == Some(&*rule.replacement) {
                if compiled.regexp.is_match(value) {
                    self.set_text(&rule.target_label, &rule.replacement);
                }
            } else if compiled
                .regexp
                .expand(value, &mut [(&compiled.replacement, &mut self.text)])
            {
                self.set_result(rule);
            }
            return;
        }
        let mut target = String::new();
        let into = &mut [
            (&compiled.target, &mut target),
            (&compiled.replacement, &mut self.text),
        ];
        if compiled.regexp.expand(value, into) && rule.scheme.is_label_name(&target) {
            let text = std::mem::take(&mut self.text);
            self.set(&Text::from(target), &text);
        }
    }

    /// Sets the target label to `text`, which often is the value of the only source label.
    fn set_result(&mut self, rule: &Rule) {
        let source = match rule.source_labels.as_slice() {
            [only] => self.labels.text_of(only),
            _ => None,
        };
        if let Some(same) = source.filter(|value| ***value == *self.text) {
            let same = Text::clone(same);
            self.set_text(&rule.target_label, &same);
            return;
        }
        let text = std::mem::take(&mut self.text);
        self.set(&rule.target_label, &text);
        self.text = text;
    }

    fn label_map(&mut self, compiled: &CompiledRule) {
        let mapped = |name: &Text| compiled.regexp.replace_all(name, &compiled.replacement);
        let first = self.labels.pairs().iter().filter_map(|(name, value)| {
            let new = mapped(name)?;
            (!self.set.contains(name)).then(|| (Text::from(new), Arc::clone(value)))
        });
        let then = self.set.iter().filter_map(|name| {
            let new = mapped(name)?;
            let value = self.labels.text_of(name)?;
            Some((Text::from(new), Arc::clone(value)))
        });
        for (name, value) in first.chain(then).collect::<Vec<_>>() {
            self.set_text(&name, &value);
        }
    }

    fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.labels.retain(|name, _| keep(name));
        self.set.retain(|name| keep(name));
    }

    fn set(&mut self, name: &Text, value: &str) {
        self.remember(name, value);
        self.labels.set_value(name, value);
    }

    fn set_text(&mut self, name: &Text, value: &Text) {
        self.remember(name, value);
        self.labels.set_text(name, value);
    }

    fn remember(&mut self, name: &Text, value: &str) {
        if !self.maps {
            return;
        }
        let known = self.set.iter().position(|known| known == name);
        match (known, value.is_empty()) {
            (Some(at), true) => drop(self.set.remove(at)),
            (None, false) => self.set.push(Arc::clone(name)),
            _ => {}
        }
    }
}

fn value_of<'v>(labels: &'v LabelsBuilder, rule: &Rule, joined: &'v mut String) -> &'v str {
    if let [only] = rule.source_labels.as_slice() {
        return labels.get(only).unwrap_or_default();
    }
    joined.clear();
    for (at, name) in rule.source_labels.iter().enumerate() {
        if at > 0 {
            joined.push_str(&rule.separator);
        }
        joined.push_str(labels.get(name).unwrap_or_default());
    }
    joined
}

/// Go's `strings.ToLower`: each character by its simple mapping (no final sigma, `İ` becomes `i`).
fn lowercase(text: &str) -> String {
    text.chars()
        .map(|c| c.to_lowercase().next().unwrap_or(c))
        .collect()
}

/// Go's `strings.ToUpper`: each character by its simple mapping, so `ß` stays.
fn uppercase(text: &str) -> String {
    text.chars()
        .map(|c| {
            let mut full = c.to_uppercase();
            match (full.next(), full.next()) {
                (Some(upper), None) => upper,
                // Longer mappings are not simple ones, but these Greek letters have one of those, too.
                _ => match c {
                    '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => {
                        offset(c, 8)
                    }
                    '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => offset(c, 9),
                    _ => c,
                },
            }
        })
        .collect()
}

fn offset(c: char, by: u32) -> char {
    char::from_u32(u32::from(c) + by).unwrap_or(c)
}

#[cfg(test)]
mod tests;
