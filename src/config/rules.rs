//! Relabel rules: decoding and validation (prometheus: model/relabel/relabel.go).

use super::Error;
use super::decode::{Decoder, Result, Shape};
use super::shared::Shared;
use crate::model::labels::Text;
use crate::model::name::ValidationScheme;
use crate::model::quote::quoted;
use crate::model::relabel::{Action, DEFAULT_REPLACEMENT, DEFAULT_SEPARATOR, RelabelRules, Rule};
use crate::wire::yaml::{Data, Node, scalar};

/// A rule before validation.
pub(super) struct RawRule {
    source_labels: Option<Vec<Text>>,
    separator: Text,
    regex: Option<Text>,
    modulus: u64,
    target_label: Text,
    replacement: Text,
    /// `None` after `action:` with nothing.
    action: Option<Action>,
}

/// A list of rules; `None` items are null.
pub(super) type RawRules = Vec<Option<RawRule>>;

pub(super) fn rules<'n>(
    d: &mut Decoder<'n, '_>,
    node: &'n Node<'n>,
    slot: &mut RawRules,
) -> Result {
    let length = match &node.resolved().data {
        Data::Sequence(items) => items.len(),
        _ => 0,
    };
    let mut rules = Vec::with_capacity(length);
    d.items(node, &mut |d, item| {
        rules.push(if d.is_null(item)? {
            None
        } else {
            Some(rule(d, item)?)
        });
        Ok(())
    })?;
    *slot = rules;
    Ok(())
}

fn rule<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result<RawRule> {
    let empty = d.shared.intern("");
    let mut rule = RawRule {
        source_labels: None,
        separator: d.shared.intern(DEFAULT_SEPARATOR),
        regex: None,
        modulus: 0,
        target_label: Text::clone(&empty),
        replacement: d.shared.intern(DEFAULT_REPLACEMENT),
        action: Some(Action::Replace),
    };
    let shape = d.fields(node, &mut |d, key, node| {
        match key {
            "source_labels" => source_labels(d, node, &mut rule.source_labels)?,
            "separator" => d.text(node, &mut rule.separator)?,
            "regex" => regex(d, node, &mut rule.regex)?,
            "modulus" => d.uint(node, &mut rule.modulus)?,
            "target_label" => d.text(node, &mut rule.target_label)?,
            "replacement" => d.text(node, &mut rule.replacement)?,
            "action" if d.is_null(node)? => rule.action = None,
            "action" => {
                if let Some(word) = d.string(node)? {
                    rule.action = Some(match Action::from_word(&word) {
                        Some(action) => action,
                        None => {
                            return d.wrong(format!(
                                "unknown relabel action {word}",
                                word = quoted(&word)
                            ));
                        }
                    });
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if shape == Shape::Null {
        rule = RawRule {
            source_labels: None,
            separator: Text::clone(&empty),
            regex: Some(Text::clone(&empty)),
            modulus: 0,
            target_label: Text::clone(&empty),
            replacement: empty,
            action: None,
        };
    }
    Ok(rule)
}

fn source_labels<'n>(
    d: &mut Decoder<'n, '_>,
    node: &'n Node<'n>,
    slot: &mut Option<Vec<Text>>,
) -> Result {
    let mut names = Vec::new();
    let shape = d.items(node, &mut |d, item| {
        let Some(name) = d.string(item)? else {
            return Ok(());
        };
        d.refuse_not_utf8(&name)?;
        if name.is_empty() && !scalar::is_null(item.resolved()) {
            return d.wrong("\"\" is not a valid label name");
        }
        names.push(d.shared.intern(&name));
        Ok(())
    })?;
    *slot = (shape == Shape::Filled).then_some(names);
    Ok(())
}

/// Null is the empty pattern, not the default.
fn regex<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>, slot: &mut Option<Text>) -> Result {
    let pattern = if d.is_null(node)? {
        Some("".into())
    } else {
        d.string(node)?
    };
    if let Some(pattern) = pattern {
        d.refuse_not_utf8(&pattern)?;
        let compiled = d
            .shared
            .patterns
            .get(&pattern)
            .or_else(|error| d.wrong(error.to_string()))?;
        *slot = Some(Text::clone(compiled.pattern()));
    }
    Ok(())
}

/// Checks and compiles a list in which no rule is null.
///
/// # Errors
/// What is wrong with the first bad one.
pub(super) fn validated(
    rules: RawRules,
    scheme: ValidationScheme,
    shared: &mut Shared,
) -> std::result::Result<RelabelRules, String> {
    let rules = rules
        .into_iter()
        .flatten()
        .map(|rule| rule.validate(scheme))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    shared.share_rules(rules)
}

/// Checks rules that are not kept; null ones were refused before.
pub(super) fn check(path: &str, rules: RawRules, scheme: ValidationScheme) -> Result {
    for rule in rules.into_iter().flatten() {
        rule.validate(scheme)
            .map_err(|message| Error::invalid(path, message))?;
    }
    Ok(())
}

impl RawRule {
    /// Checks the rule for a job.
    ///
    /// # Errors
    /// What is wrong with it.
    fn validate(self, scheme: ValidationScheme) -> std::result::Result<Rule, String> {
        let Some(action) = self.action else {
            return Err("relabel action cannot be empty".to_owned());
        };
        use Action::{
            DropEqual, HashMod, KeepEqual, LabelDrop, LabelKeep, LabelMap, Lowercase, Replace,
            Uppercase,
        };
        let word = action.as_str();
        let target = &*self.target_label;
        let sets_target = matches!(
            action,
            Replace | HashMod | Lowercase | Uppercase | KeepEqual | DropEqual
        );
        if self.modulus == 0 && action == HashMod {
            return Err("relabel configuration for hashmod requires non-zero modulus".to_owned());
        }
        if sets_target && target.is_empty() {
            return Err(format!(
                "relabel configuration for {word} action requires 'target_label' value"
            ));
        }
        let is_template = action == Replace && target.contains('$');
        let valid = if is_template {
            is_name_template(scheme, target)
        } else {
            scheme.is_label_name(target)
        };
        if sets_target && !valid {
            return Err(format!(
                "{target} is invalid 'target_label' for {word} action",
                target = quoted(target)
            ));
        }
        let default_replacement = &*self.replacement == DEFAULT_REPLACEMENT;
        if matches!(action, Lowercase | Uppercase | KeepEqual | DropEqual) && !default_replacement {
            return Err(format!("'replacement' can not be set for {word} action"));
        }
        if action == LabelMap && !is_name_template(scheme, &self.replacement) {
            return Err(format!(
                "{} is invalid 'replacement' for {word} action",
                quoted(&self.replacement)
            ));
        }
        let plain =
            self.modulus == 0 && &*self.separator == DEFAULT_SEPARATOR && default_replacement;
        if matches!(action, DropEqual | KeepEqual) && !(plain && self.regex.is_none()) {
            return Err(format!(
                "{word} action requires only 'source_labels' and `target_label`, and no other fields"
            ));
        }
        let no_labels = self.source_labels.is_none() && target.is_empty();
        if matches!(action, LabelDrop | LabelKeep) && !(plain && no_labels) {
            return Err(format!(
                "{word} action requires only 'regex', and no other fields"
            ));
        }
        Ok(Rule {
            source_labels: self.source_labels.unwrap_or_default(),
            separator: self.separator,
            regex: self.regex,
            modulus: self.modulus,
            target_label: self.target_label,
            replacement: self.replacement,
            action,
            scheme,
        })
    }
}

/// Whether a template may give a label name. Under the legacy scheme: name characters, a digit never first, and `$name` or
/// `${name}` anywhere (upstream's pattern `^(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+$`).
fn is_name_template(scheme: ValidationScheme, text: &str) -> bool {
    if scheme == ValidationScheme::Utf8 {
        return scheme.is_label_name(text);
    }
    let word = |text: &str| {
        text.bytes()
            .take_while(|b| *b == b'_' || b.is_ascii_alphanumeric())
            .count()
    };
    let (mut rest, mut first) = (text, true);
    while let Some(c) = rest.chars().next() {
        let length = if c == '$' {
            let (braces, inner) = match rest.strip_prefix("${") {
                Some(inner) => (true, inner),
                None => (false, rest.get(1..).unwrap_or_default()),
            };
            let name = word(inner);
            let closed = !braces || inner.get(name..).is_some_and(|tail| tail.starts_with('}'));
            if name == 0 || !closed {
                return false;
            }
            1 + name + if braces { 2 } else { 0 }
        } else if c == '_' || c.is_ascii_alphabetic() || (c.is_ascii_digit() && !first) {
            1
        } else {
            return false;
        };
        first = false;
        rest = rest.get(length..).unwrap_or_default();
    }
    !first
}
