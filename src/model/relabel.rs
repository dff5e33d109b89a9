//! Relabelling (prometheus: model/relabel/relabel.go). Rules are validated when a configuration is loaded; here they run.

use super::bounds::{Exceeded, Work};
use super::hash;
use super::labels::{LabelsBuilder, Text};
use super::name::ValidationScheme;
use super::regexp::{self, Patterns, Regexp, Template};
use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Write as _};
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
    ///
    /// # Errors
    /// A rule would exceed a bound, or the work has to end. The labels are half done then.
    pub fn apply(&self, labels: &mut LabelsBuilder, work: &mut Work<'_>) -> Result<Keep, Stopped> {
        let mut run = Run {
            labels,
            work,
            set: SetNames::default(),
            maps: self.maps,
            joined: String::new(),
            text: String::new(),
        };
        for (at, compiled) in self.rules.iter().enumerate() {
            let applied = run.apply(compiled);
            let keep = applied.map_err(|why| Stopped::new(at, &compiled.rule, why))?;
            if keep == Keep::No {
                return Ok(Keep::No);
            }
        }
        Ok(Keep::Yes)
    }
}

/// A rule was not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    rule: String,
    /// Why.
    pub why: Exceeded,
}

impl Stopped {
    fn new(at: usize, rule: &Rule, why: Exceeded) -> Self {
        let head = |text: &str| text.chars().take(50).collect::<String>();
        let (action, target) = (rule.action.as_str(), head(&rule.target_label));
        let pattern = head(rule.pattern());
        Self {
            rule: format!("{at} ({action}, regex {pattern:?}, targetLabel {target:?})"),
            why,
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "relabelling rule {}: {}", self.rule, self.why)
    }
}

impl std::error::Error for Stopped {}

/// Names in the order in which they were first set.
#[derive(Default)]
struct SetNames {
    places: HashMap<Text, usize>,
    names: BTreeMap<usize, Text>,
    next: usize,
}

impl SetNames {
    fn contains(&self, name: &Text) -> bool {
        self.places.contains_key(name)
    }

    fn add(&mut self, name: &Text) {
        if !self.contains(name) {
            self.places.insert(Text::clone(name), self.next);
            self.names.insert(self.next, Text::clone(name));
            self.next += 1;
        }
    }

    fn remove(&mut self, name: &Text) {
        if let Some(place) = self.places.remove(name) {
            self.names.remove(&place);
        }
    }
}

/// One application of a list of rules.
struct Run<'l, 'w> {
    labels: &'l mut LabelsBuilder,
    work: &'l mut Work<'w>,
    /// Names set by the rules so far, in order: labelmap visits them after the others.
    set: SetNames,
    /// Whether there is a labelmap.
    maps: bool,
    joined: String,
    text: String,
}

impl Run<'_, '_> {
    fn apply(&mut self, compiled: &CompiledRule) -> Result<Keep, Exceeded> {
        let rule = &compiled.rule;
        let keep = |yes| Ok(if yes { Keep::Yes } else { Keep::No });
        self.join(rule)?;
        self.work.spend(16 + self.value(rule).len() as u64)?;
        match rule.action {
            Action::Keep => return keep(self.is_match(compiled)?),
            Action::Drop => return keep(!self.is_match(compiled)?),
            Action::KeepEqual => return keep(self.is_equal(rule)),
            Action::DropEqual => return keep(!self.is_equal(rule)),
            Action::Replace => self.replace(compiled)?,
            Action::HashMod => {
                // Validation refuses a modulus of 0.
                let rest = hash::hashmod(self.value(rule)).checked_rem(rule.modulus);
                let mut text = std::mem::take(&mut self.text);
                text.clear();
                // Writing into a string does not fail.
                _ = write!(text, "{}", rest.unwrap_or(0));
                self.set(&rule.target_label, &text)?;
                self.text = text;
            }
            Action::Lowercase => {
                let text = lowercase(self.value(rule));
                self.set(&rule.target_label, &text)?;
            }
            Action::Uppercase => {
                let text = uppercase(self.value(rule));
                self.set(&rule.target_label, &text)?;
            }
            Action::LabelMap => self.label_map(compiled)?,
            Action::LabelDrop => self.retain(compiled, false)?,
            Action::LabelKeep => self.retain(compiled, true)?,
        }
        Ok(Keep::Yes)
    }

    /// Joins the values of the source labels, if there are several.
    fn join(&mut self, rule: &Rule) -> Result<(), Exceeded> {
        if let [_] = rule.source_labels.as_slice() {
            return Ok(());
        }
        self.joined.clear();
        for (at, name) in rule.source_labels.iter().enumerate() {
            let separator = if at > 0 { &*rule.separator } else { "" };
            let value = self.labels.get(name).unwrap_or_default();
            self.work
                .check_value(self.joined.len() + separator.len() + value.len())?;
            self.joined.push_str(separator);
            self.joined.push_str(value);
        }
        Ok(())
    }

    /// The values of the source labels, joined.
    fn value(&self, rule: &Rule) -> &str {
        value_of(self.labels, rule, &self.joined)
    }

    fn is_match(&mut self, compiled: &CompiledRule) -> Result<bool, Exceeded> {
        let value = value_of(self.labels, &compiled.rule, &self.joined);
        self.work
            .spend_match(value.len(), compiled.regexp.steps())?;
        Ok(compiled.regexp.is_match(value))
    }

    fn is_equal(&self, rule: &Rule) -> bool {
        self.labels.get(&rule.target_label).unwrap_or_default() == self.value(rule)
    }

    fn replace(&mut self, compiled: &CompiledRule) -> Result<(), Exceeded> {
        let rule = &compiled.rule;
        let value = value_of(self.labels, rule, &self.joined);
        self.work
            .spend_match(value.len(), compiled.regexp.steps())?;
        self.text.clear();
        let limit = self.work.bounds.label_value;
        if compiled.fixed_target {
            if compiled.replacement.as_text() == Some(&*rule.replacement) {
                if compiled.regexp.is_match(value) {
                    return self.set_text(&rule.target_label, &rule.replacement);
                }
            } else if compiled.regexp.expand(
                value,
                &mut [(&compiled.replacement, &mut self.text)],
                limit,
            )? {
                return self.set_result(rule);
            }
            return Ok(());
        }
        let mut target = String::new();
        let into = &mut [
            (&compiled.target, &mut target),
            (&compiled.replacement, &mut self.text),
        ];
        if compiled.regexp.expand(value, into, limit)? && rule.scheme.is_label_name(&target) {
            let text = std::mem::take(&mut self.text);
            self.set(&Text::from(target), &text)?;
        }
        Ok(())
    }

    /// Sets the target label to `text`, which often is the value of the only source label.
    fn set_result(&mut self, rule: &Rule) -> Result<(), Exceeded> {
        let source = match rule.source_labels.as_slice() {
            [only] => self.labels.text_of(only),
            _ => None,
        };
        if let Some(same) = source.filter(|value| ***value == *self.text) {
            let same = Text::clone(same);
            return self.set_text(&rule.target_label, &same);
        }
        let text = std::mem::take(&mut self.text);
        self.set(&rule.target_label, &text)?;
        self.text = text;
        Ok(())
    }

    fn label_map(&mut self, compiled: &CompiledRule) -> Result<(), Exceeded> {
        let (labels, set, work) = (&*self.labels, &self.set, &mut *self.work);
        let mut mapped = Vec::new();
        let mut size = labels.size();
        let mut map = |name: &Text, value: &Text| -> Result<(), Exceeded> {
            work.spend_match(name.len(), compiled.regexp.steps())?;
            let limit = work.bounds.label_value;
            let new = compiled
                .regexp
                .replace_all(name, &compiled.replacement, limit)?;
            if let Some(new) = new {
                size += new.len();
                work.check_labels(size)?;
                mapped.push((Text::from(new), Arc::clone(value)));
            }
            Ok(())
        };
        for (name, value) in labels.pairs() {
            if !set.contains(name) {
                map(name, value)?;
            }
        }
        for name in set.names.values() {
            if let Some(value) = labels.text_of(name) {
                map(name, value)?;
            }
        }
        for (name, value) in &mapped {
            self.remember(name, value);
        }
        self.labels.set_all(mapped);
        self.work.check_labels(self.labels.size())
    }

    /// Keeps the labels whose names match, or those whose names don't.
    fn retain(&mut self, compiled: &CompiledRule, matching: bool) -> Result<(), Exceeded> {
        for (name, _) in self.labels.pairs() {
            self.work.spend_match(name.len(), compiled.regexp.steps())?;
        }
        let (set, is_kept) = (&mut self.set, |name: &str| {
            compiled.regexp.is_match(name) == matching
        });
        self.labels.retain(|name, _| is_kept(name));
        set.places.retain(|name, place| {
            let stays = is_kept(name);
            if !stays {
                set.names.remove(place);
            }
            stays
        });
        Ok(())
    }

    fn set(&mut self, name: &Text, value: &str) -> Result<(), Exceeded> {
        self.check(name, value)?;
        self.labels.set_value(name, value);
        self.work.check_labels(self.labels.size())
    }

    fn set_text(&mut self, name: &Text, value: &Text) -> Result<(), Exceeded> {
        self.check(name, value)?;
        self.labels.set_text(name, value);
        self.work.check_labels(self.labels.size())
    }

    fn check(&mut self, name: &Text, value: &str) -> Result<(), Exceeded> {
        self.work.check_value(name.len().max(value.len()))?;
        self.remember(name, value);
        Ok(())
    }

    fn remember(&mut self, name: &Text, value: &str) {
        if !self.maps {
            return;
        }
        if value.is_empty() {
            self.set.remove(name);
        } else {
            self.set.add(name);
        }
    }
}

fn value_of<'v>(labels: &'v LabelsBuilder, rule: &Rule, joined: &'v str) -> &'v str {
    match rule.source_labels.as_slice() {
        [only] => labels.get(only).unwrap_or_default(),
        _ => joined,
    }
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
