//! The sections that a receiver doesn't act on: read and checked, so that what Prometheus refuses is refused, and forgotten
//! (prometheus: config/config.go). What is written to and read from elsewhere is in `remote`.

use super::Error;
use super::client::{self, RawClient};
use super::decode::{Decoder, Result, Shape};
use super::remote::{self, EMPTY, Remote};
use super::rules::{self, RawRules};
use super::sd::{self, RawDiscovery};
use crate::http::config::Tls;
use crate::model::name::ValidationScheme;
use crate::model::quote::quoted;
use crate::wire::yaml::Node;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is checked when the whole document is known.
#[derive(Default)]
pub(super) struct Sections {
    alert_relabel: RawRules,
    /// The rules of each entry; null entries are `None`.
    alertmanagers: Vec<Option<RawRules>>,
    remote_write: Vec<Option<Remote>>,
    remote_read: Vec<Option<Remote>>,
    otlp_strategy: Box<str>,
}

impl Sections {
    pub(super) fn field<'n>(
        &mut self,
        d: &mut Decoder<'n, '_>,
        key: &str,
        node: &'n Node<'n>,
    ) -> Result<bool> {
        match key {
            "runtime" => runtime(d, node)?,
            "storage" => storage(d, node)?,
            "otlp" => self.otlp_strategy = otlp(d, node)?,
            "tracing" => tracing(d, node)?,
            "alerting" => self.alerting(d, node)?,
            "remote_write" => d.list(node, &mut self.remote_write, remote::write)?,
            "remote_read" => d.list(node, &mut self.remote_read, remote::read)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn alerting<'n>(&mut self, d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result {
        let before = d.problems();
        d.fields(node, &mut |d, key, node| {
            match key {
                "alert_relabel_configs" => rules::rules(d, node, &mut self.alert_relabel)?,
                "alertmanagers" => d.list(node, &mut self.alertmanagers, alertmanager)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if d.problems() == before && self.alert_relabel.iter().any(Option::is_none) {
            return d.wrong("empty or null alert relabeling rule");
        }
        Ok(())
    }

    /// What is checked after the scrape configs.
    pub(super) fn check(self, scheme: ValidationScheme) -> Result {
        rules::check("alerting.alert_relabel_configs", self.alert_relabel, scheme)?;
        for rules in self.alertmanagers {
            let path = "alerting.alertmanagers";
            let rules = rules.ok_or_else(|| Error::invalid(path, EMPTY))?;
            rules::check(path, rules, scheme)?;
        }
        remote::check("remote_write", self.remote_write, scheme)?;
        remote::check("remote_read", self.remote_read, scheme)?;
        let message = match &*self.otlp_strategy {
            "" | "UnderscoreEscapingWithSuffixes" | "UnderscoreEscapingWithoutSuffixes" => {
                return Ok(());
            }
            "NoTranslation" | "NoUTF8EscapingWithSuffixes"
                if scheme != ValidationScheme::Legacy =>
            {
                return Ok(());
            }
            known @ ("NoTranslation" | "NoUTF8EscapingWithSuffixes") => {
                format!(
                    "{known} is not allowed with the legacy scheme of global.metric_name_validation_scheme"
                )
            }
            word => format!(
                "unknown strategy {word} (one of UnderscoreEscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes, \
                 NoUTF8EscapingWithSuffixes, NoTranslation)",
                word = quoted(word)
            ),
        };
        Err(Error::invalid("otlp.translation_strategy", message))
    }
}

fn runtime<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result {
    d.fields(node, &mut |d, key, node| {
        match key {
            "gogc" => d.int(node, &mut 0)?,
            "log_level" => {
                if let Some(word) = word(d, node)?
                    && !matches!(
                        &*word.to_lowercase(),
                        "" | "debug" | "info" | "warn" | "error"
                    )
                {
                    return d.wrong(format!(
                        "unknown log level {word} (one of debug, info, warn, error)",
                        word = quoted(&word)
                    ));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(())
}

/// A word of a type that checks it itself; `None`: it is null, or no string, which has been noted.
fn word<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result<Option<Box<str>>> {
    if d.is_unquoted_null(node)? {
        return Ok(None);
    }
    // Upstream does not ask the type about a quoted null, either.
    let (found, word) = (node.resolved(), d.string(node)?);
    let is_asked = |word: &Cow<'_, str>| found.tag.is_some() || !matches!(&**word, "~" | "null");
    Ok(word.filter(is_asked).map(Into::into))
}

fn storage<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result {
    d.fields(node, &mut |d, key, node| {
        match key {
            "tsdb" => tsdb(d, node)?,
            "exemplars" => {
                d.fields(node, &mut |d, key, node| match key {
                    "max_exemplars" => d.int(node, &mut 0).map(|()| true),
                    _ => Ok(false),
                })?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(())
}

fn tsdb<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result {
    let (before, mut encoding) = (d.problems(), Box::default());
    d.fields(node, &mut |d, key, node| {
        match key {
            "out_of_order_time_window" => d.duration(node, &mut Duration::default())?,
            // Not meant to be a key, but one upstream.
            "outofordertimewindow" => d.int(node, &mut 0)?,
            "stale_series_compaction_threshold" => d.float(node, &mut 0.0)?,
            "chunk_encoding" => {
                d.fields(node, &mut |d, key, node| match key {
                    "floats" => d.boxed(node, &mut encoding).map(|()| true),
                    _ => Ok(false),
                })?;
            }
            "retention" => retention(d, node)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if d.problems() == before && !matches!(&*encoding, "" | "xor" | "xor2") {
        return d.wrong(format!(
            "chunk_encoding.floats is {encoding}, not xor or xor2",
            encoding = quoted(&encoding)
        ));
    }
    Ok(())
}

fn retention<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result {
    let (before, mut size, mut percentage) = (d.problems(), 0, 0.0);
    d.fields(node, &mut |d, key, node| {
        match key {
            "time" => d.duration(node, &mut Duration::default())?,
            "size" => d.size(node, &mut size)?,
            "percentage" => d.float(node, &mut percentage)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if d.problems() > before {
        return Ok(());
    }
    if size < 0 {
        return d.wrong("size must not be negative");
    }
    if !percentage.is_nan() && !(0.0..=100.0).contains(&percentage) {
        return d.wrong(format!("percentage is {percentage}, not 0 to 100"));
    }
    Ok(())
}

/// The translation strategy; whether it is one is judged when the whole document is known.
fn otlp<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result<Box<str>> {
    let (before, mut strategy) = (d.problems(), Box::default());
    let (mut promote_all, mut promoted, mut ignored) = (false, Vec::new(), Vec::new());
    let shape = d.fields(node, &mut |d, key, node| {
        match key {
            "promote_all_resource_attributes" => d.bool(node, &mut promote_all)?,
            "promote_resource_attributes" => d.boxes(node, &mut promoted)?,
            "ignore_resource_attributes" => d.boxes(node, &mut ignored)?,
            "translation_strategy" => d.boxed(node, &mut strategy)?,
            "keep_identifying_resource_attributes"
            | "convert_histograms_to_nhcb"
            | "promote_scope_metadata"
            | "label_name_underscore_sanitization"
            | "label_name_preserve_multiple_underscores" => d.bool(node, &mut false)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if d.problems() > before || shape == Shape::Null {
        return Ok(Box::default());
    }
    let (key, attributes) = match promote_all {
        true if !promoted.is_empty() => {
            return d.wrong(
                "promote_all_resource_attributes and promote_resource_attributes exclude each other",
            );
        }
        true => ("ignore_resource_attributes", ignored),
        false if !ignored.is_empty() => {
            return d
                .wrong("ignore_resource_attributes needs promote_all_resource_attributes: true");
        }
        false => ("promote_resource_attributes", promoted),
    };
    for (index, attribute) in attributes.iter().enumerate() {
        let name = attribute.trim();
        let mut before = attributes.iter().take(index);
        if name.is_empty() || before.any(|other| other.trim() == name) {
            return d.wrong(format!(
                "{key}: {attribute} is empty or stands there twice",
                attribute = quoted(attribute)
            ));
        }
    }
    Ok(strategy)
}

fn tracing<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result {
    if d.is_null(node)? {
        return Ok(());
    }
    let before = d.problems();
    let (mut endpoint, mut compression, mut map) =
        (Box::default(), Box::default(), BTreeMap::new());
    d.fields(node, &mut |d, key, node| {
        match key {
            "client_type" => {
                if let Some(word) = word(d, node)?
                    && !matches!(&*word, "http" | "grpc")
                {
                    return d.wrong(format!("{word} is not http or grpc", word = quoted(&word)));
                }
            }
            "endpoint" => d.boxed(node, &mut endpoint)?,
            "sampling_fraction" => d.float(node, &mut 0.0)?,
            "insecure" => d.bool(node, &mut false)?,
            "tls_config" => client::tls(d, node, &mut Tls::default())?,
            "headers" => client::string_map(d, node, &mut map)?,
            "compression" => d.boxed(node, &mut compression)?,
            "timeout" => d.duration(node, &mut Duration::default())?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if d.problems() > before {
        return Ok(());
    }
    client::check_headers(d, &map)?;
    if endpoint.is_empty() {
        return d.wrong("tracing endpoint must be set");
    }
    match &*compression {
        "" | "gzip" => Ok(()),
        word => d.wrong(format!(
            "compression is {word}, not gzip",
            word = quoted(word)
        )),
    }
}

/// The relabel rules of an entry of `alertmanagers`.
fn alertmanager<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result<Option<RawRules>> {
    let before = d.problems();
    let (mut client, mut discovery) = (RawClient::default(), RawDiscovery::default());
    let (mut relabel, mut alert_relabel, mut sigv4) = (Vec::new(), Vec::new(), false);
    d.fields(node, &mut |d, key, node| {
        match key {
            "sigv4" => sigv4 = remote::sigv4(d, node)?,
            "scheme" | "path_prefix" => d.boxed(node, &mut Box::default())?,
            "timeout" => d.duration(node, &mut Duration::default())?,
            "api_version" => {
                if let Some(word) = word(d, node)?
                    && &*word != "v2"
                {
                    return d.wrong(format!(
                        "Alertmanager API version {word} is not v2",
                        word = quoted(&word)
                    ));
                }
            }
            "relabel_configs" => rules::rules(d, node, &mut relabel)?,
            "alert_relabel_configs" => rules::rules(d, node, &mut alert_relabel)?,
            // Nobody is going to be discovered.
            _ if sd::is_other(key) => drop(d.items(node, &mut |_, _| Ok(()))?),
            _ => return Ok(client.field(d, key, node)? || discovery.field(d, key, node)?),
        }
        Ok(true)
    })?;
    if d.problems() > before {
        return Ok(None);
    }
    let discovery = discovery.finish(d)?;
    client.validate(d)?;
    if sigv4 && client.authentications() > 0 {
        return d
            .wrong("at most one of basic_auth, authorization, oauth2 & sigv4 must be configured");
    }
    if relabel.is_empty() {
        sd::check_static_targets(d, &discovery)?;
    }
    relabel.append(&mut alert_relabel);
    if relabel.iter().any(Option::is_none) {
        return d.wrong("empty or null Alertmanager relabeling rule");
    }
    Ok(Some(relabel))
}
