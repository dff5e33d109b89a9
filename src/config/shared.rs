//! What equal jobs share: texts, patterns, rules, client settings, kept from load to load.

use super::paths;
use crate::http;
use crate::model::labels::{Interner, Text};
use crate::model::regexp::{self, Patterns};
use crate::model::relabel::{CompiledRule, RelabelRules, Rule};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Shared {
    texts: Interner,
    pub(super) patterns: Patterns,
    /// By the hash of their content, so that growing needs no hashing. Of two rules or lists with one hash, one is shared.
    rules: HashMap<u64, Arc<CompiledRule>>,
    rule_lists: HashMap<u64, RelabelRules>,
    hasher: RandomState,
    clients: HashSet<Arc<http::config::Config>>,
    /// What most jobs have, found without hashing.
    pub(super) plain_client: Arc<http::config::Config>,
}

impl Shared {
    /// The text, shared with its equals.
    pub(super) fn intern(&mut self, text: &str) -> Text {
        self.texts.intern(text)
    }

    /// The rules, compiled. Equal rules are shared, and so are equal lists.
    pub(super) fn share_rules(&mut self, rules: Vec<Rule>) -> Result<RelabelRules, String> {
        let mut hasher = self.hasher.build_hasher();
        let mut compiled = Vec::with_capacity(rules.len());
        for rule in rules {
            let rule = self.share_rule(rule).map_err(|error| error.to_string())?;
            // Equal rules are the same in memory by now.
            Arc::as_ptr(&rule).hash(&mut hasher);
            compiled.push(rule);
        }
        let (hash, new) = (hasher.finish(), RelabelRules::new(compiled));
        match self.rule_lists.get(&hash) {
            Some(known) if *known == new => Ok(known.clone()),
            _ => {
                self.rule_lists.insert(hash, new.clone());
                Ok(new)
            }
        }
    }

    fn share_rule(&mut self, rule: Rule) -> Result<Arc<CompiledRule>, regexp::Error> {
        let hash = self.hasher.hash_one(&rule);
        match self.rules.get(&hash) {
            Some(known) if *known.rule() == rule => Ok(Arc::clone(known)),
            _ => {
                let new = Arc::new(CompiledRule::new(rule, &mut self.patterns)?);
                self.rules.insert(hash, Arc::clone(&new));
                Ok(new)
            }
        }
    }

    /// Joins the paths of client settings, then shares them.
    pub(super) fn place_client(&mut self, client: &mut Arc<http::config::Config>, folder: &str) {
        if Arc::ptr_eq(client, &self.plain_client) {
            return;
        }
        paths::place_client(Arc::make_mut(client), folder);
        if *client == self.plain_client {
            *client = Arc::clone(&self.plain_client);
            return;
        }
        match self.clients.get(client) {
            Some(known) => *client = Arc::clone(known),
            None => {
                self.clients.insert(Arc::clone(client));
            }
        }
    }
    /// Forgets what no loaded configuration uses any more.
    pub(super) fn sweep(&mut self) {
        self.rule_lists.retain(|_, list| list.is_shared());
        self.rules.retain(|_, rule| Arc::strong_count(rule) > 1);
        self.clients.retain(|client| Arc::strong_count(client) > 1);
        self.patterns.sweep();
    }
}
