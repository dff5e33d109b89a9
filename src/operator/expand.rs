//! `$(SHARD)` and its like. Upstream writes variables, which its config-reloader container replaces before Prometheus reads
//! the file: in the whole text, user's strings included, as `promop generate --expand` does ([`expand`]). A running receiver
//! writes values at once ([`Placeholders`]). Both have them from [`super::Settings::pod_environment`].

use std::collections::BTreeMap;

/// Replaces each `$(NAME)` whose name is known; others stay as they are.
pub fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$(") {
        out.push_str(before);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
        let (name, behind) = after.split_at(end);
        let closed = behind.strip_prefix(')').filter(|_| !name.is_empty());
        match closed.and_then(|behind| Some((env(name)?, behind))) {
            Some((value, behind)) => {
                out.push_str(&value);
                rest = behind;
            }
            None => {
                out.push_str("$(");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// What is written where upstream writes a variable for its config-reloader to replace. Only what the generator itself
/// wrote is meant: a monitor's string that looks alike stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placeholders {
    values: BTreeMap<String, String>,
}

impl Placeholders {
    /// Values by name, such as `SHARD`; a name without one is written as `$(NAME)`.
    pub fn new(values: BTreeMap<String, String>) -> Self {
        Self { values }
    }

    /// What stands for a variable in the text.
    pub(super) fn text(&self, name: &str) -> String {
        self.values
            .get(name)
            .cloned()
            .unwrap_or_else(|| format!("$({name})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_in_parentheses_are_replaced() {
        let env = |name: &str| (name == "A_1").then(|| "$(A_1)!".to_owned());
        assert_eq!(
            expand("$(A_1) $A_1 ${A_1} $(A_1 $(B) $() $$(A_1) $(A-1)", &env),
            "$(A_1)! $A_1 ${A_1} $(A_1 $(B) $() $$(A_1)! $(A-1)"
        );
    }
}
