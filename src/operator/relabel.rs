//! Relabeling rules: checked, and written.

use super::version::{self, Version};
use crate::model::quote::quoted;
use crate::model::regexp::Regexp;
use crate::monitoring::Relabeling;
use crate::wire::yaml::emit::{Tree, texts};

/// Checks a list of rules; the first bad one is named by its index
/// (prometheus-operator: pkg/prometheus/validation/validator.go).
pub(super) fn check_all(rules: &[Relabeling], version: &Version) -> Result<(), String> {
    for (i, rule) in rules.iter().enumerate() {
        check(rule, version).map_err(|error| format!("[{i}]: {error}"))?;
    }
    Ok(())
}

fn check(rule: &Relabeling, version: &Version) -> Result<(), String> {
    let name = match rule.action.as_str() {
        "" => "replace",
        action => action,
    };
    let action = name.to_lowercase();
    let action = action.as_str();
    let is_case = matches!(action, "lowercase" | "uppercase");
    let is_equal = matches!(action, "keepequal" | "dropequal");
    if is_case && !version.has(version::RELABEL_CASE_ACTIONS) {
        return Err(format!(
            "{name} relabel action is only supported from Prometheus version 2.36.0"
        ));
    }
    if is_equal && !version.has(version::RELABEL_EQUAL_ACTIONS) {
        return Err(format!(
            "{name} relabel action is only supported from Prometheus version 2.41.0"
        ));
    }
    Regexp::check(&rule.regex).map_err(|error| {
        format!(
            "invalid regex {} for relabel configuration: {error}",
            quoted(&rule.regex)
        )
    })?;
    if action == "hashmod" && rule.modulus == 0 {
        return Err("relabel configuration for hashmod requires non-zero modulus".to_owned());
    }
    let target = rule.target_label.as_str();
    if is_case || is_equal || matches!(action, "replace" | "hashmod") {
        if target.is_empty() {
            return Err(format!(
                "relabel configuration for {name} action needs targetLabel value"
            ));
        }
        if !is_label_name(target, version) {
            return Err(format!(
                "{target} is invalid 'target_label' for {name} action",
                target = quoted(target)
            ));
        }
    }
    let replacement = rule.replacement.as_deref();
    let plain_replacement = replacement.is_none_or(|r| r == "$1");
    if (is_case || is_equal) && !plain_replacement {
        return Err(format!("'replacement' can not be set for {name} action"));
    }
    if action == "labelmap"
        && let Some(template) = replacement
        && !is_label_template(template, version)
    {
        return Err(format!(
            "{template} is invalid 'replacement' for {name} action",
            template = quoted(template)
        ));
    }
    let plain_separator = rule.separator.as_deref().is_none_or(|s| s == ";");
    let plain = rule.modulus == 0 && plain_separator && plain_replacement;
    if is_equal && !(plain && matches!(rule.regex.as_str(), "" | "(.*)")) {
        return Err(format!(
            "{name} action requires only 'source_labels' and `target_label`, and no other fields"
        ));
    }
    if matches!(action, "labeldrop" | "labelkeep")
        && !(plain && rule.source_labels.is_empty() && target.is_empty())
    {
        return Err(format!(
            "{name} action requires only 'regex', and no other fields"
        ));
    }
    Ok(())
}

/// From Prometheus 3 on any text is a label name; whatever name validation the settings ask for.
fn is_label_name(name: &str, version: &Version) -> bool {
    if version.has(version::UTF8_LABEL_NAMES) {
        return !name.is_empty();
    }
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(is_word_character)
}

/// Before Prometheus 3: `^(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+$`.
fn is_label_template(template: &str, version: &Version) -> bool {
    if version.has(version::UTF8_LABEL_NAMES) {
        return !template.is_empty();
    }
    if template.is_empty() || template.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let mut rest = template;
    while let Some(c) = rest.chars().next() {
        let (_, after) = rest.split_at(c.len_utf8());
        rest = after;
        if c != '$' {
            if !is_word_character(c) {
                return false;
            }
            continue;
        }
        let braced = rest.strip_prefix('{');
        let name = braced.unwrap_or(rest);
        let end = name.find(|c| !is_word_character(c)).unwrap_or(name.len());
        if end == 0 {
            return false;
        }
        if braced.is_some() {
            match name.split_at(end).1.strip_prefix('}') {
                Some(after) => rest = after,
                None => return false,
            }
        }
    }
    true
}

fn is_word_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A user's rule as it stands in the configuration: nothing normalised but the action's case.
pub(super) fn tree(rule: &Relabeling) -> Tree<'_> {
    let mut pairs = Vec::new();
    let mut set = |key: &'static str, value| pairs.push((Tree::from(key), value));
    if !rule.source_labels.is_empty() {
        set("source_labels", texts(&rule.source_labels));
    }
    if let Some(separator) = &rule.separator {
        set("separator", separator.as_str().into());
    }
    if !rule.target_label.is_empty() {
        set("target_label", rule.target_label.as_str().into());
    }
    if !rule.regex.is_empty() {
        set("regex", rule.regex.as_str().into());
    }
    if rule.modulus != 0 {
        set("modulus", rule.modulus.into());
    }
    if let Some(replacement) = &rule.replacement {
        set("replacement", replacement.as_str().into());
    }
    if !rule.action.is_empty() {
        set("action", rule.action.to_lowercase().into());
    }
    Tree::Map(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_of_version_2() {
        let old = Version::parse("2.55.0").unwrap();
        for (template, want) in [
            ("a_$1", true),
            ("${1}x", true),
            ("$1", true),
            ("a1", true),
            ("1a", false),
            ("", false),
            ("x.$1", false),
            ("$", false),
            ("${1", false),
            ("${}", false),
        ] {
            assert_eq!(is_label_template(template, &old), want, "{template}");
        }
    }
}
