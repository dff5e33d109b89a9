//! The sections that a receiver doesn't act on: read as far as it takes to refuse what is misspelt, not further.

use super::decode::{Decoder, Result};
use super::loader::invalid;
use super::rules::{self, RawRules};
use crate::model::name::ValidationScheme;
use crate::wire::yaml::Node;

#[derive(Default)]
pub(super) struct Sections {
    alert_relabel: RawRules,
    /// Whether each entry is there, or null.
    remote_write: Vec<bool>,
    remote_read: Vec<bool>,
}

const TRACING: &str =
    "client_type endpoint sampling_fraction insecure tls_config headers compression timeout";

const OTLP: &str = "promote_all_resource_attributes promote_resource_attributes ignore_resource_attributes translation_strategy \
    keep_identifying_resource_attributes convert_histograms_to_nhcb promote_scope_metadata \
    label_name_underscore_sanitization label_name_preserve_multiple_underscores";

impl Sections {
    pub(super) fn field<'n>(
        &mut self,
        d: &mut Decoder<'n, '_>,
        key: &str,
        node: &'n Node<'n>,
    ) -> Result<bool> {
        match key {
            "runtime" => known(d, node, "gogc log_level")?,
            "storage" => known(d, node, "tsdb exemplars")?,
            "otlp" => known(d, node, OTLP)?,
            "tracing" => tracing(d, node)?,
            "alerting" => {
                let before = d.problems();
                d.fields(node, &mut |d, key, node| {
                    match key {
                        "alert_relabel_configs" => rules::rules(d, node, &mut self.alert_relabel)?,
                        "alertmanagers" => drop(d.items(node, &mut |_, _| Ok(()))?),
                        _ => return Ok(false),
                    }
                    Ok(true)
                })?;
                if d.problems() == before && self.alert_relabel.iter().any(Option::is_none) {
                    return d.wrong("empty or null alert relabeling rule");
                }
            }
            "remote_write" => remotes(d, node, &mut self.remote_write)?,
            "remote_read" => remotes(d, node, &mut self.remote_read)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What is checked after the scrape configs.
    pub(super) fn check(self, scheme: ValidationScheme) -> Result {
        for rule in self.alert_relabel.into_iter().flatten() {
            rule.validate(scheme)
                .map_err(|message| invalid("alerting.alert_relabel_configs".to_owned(), message))?;
        }
        for (name, entries) in [
            ("remote_write", self.remote_write),
            ("remote_read", self.remote_read),
        ] {
            if entries.contains(&false) {
                return Err(invalid(name.to_owned(), "empty or null section".to_owned()));
            }
        }
        Ok(())
    }
}

/// A mapping with these keys, whatever they hold.
fn known<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>, keys: &str) -> Result {
    d.fields(node, &mut |_, key, _| {
        Ok(keys.split_ascii_whitespace().any(|known| known == key))
    })?;
    Ok(())
}

fn tracing<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result {
    if d.is_null(node)? {
        return Ok(());
    }
    let before = d.problems();
    let mut endpoint = Box::default();
    d.fields(node, &mut |d, key, node| match key {
        "endpoint" => d.boxed(node, &mut endpoint).map(|()| true),
        _ => Ok(TRACING.split_ascii_whitespace().any(|known| known == key)),
    })?;
    if d.problems() == before && endpoint.is_empty() {
        return d.wrong("tracing endpoint must be set");
    }
    Ok(())
}

fn remotes<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>, slot: &mut Vec<bool>) -> Result {
    slot.clear();
    d.items(node, &mut |d, item| {
        slot.push(!d.is_null(item)?);
        Ok(())
    })?;
    Ok(())
}
