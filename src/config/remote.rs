//! `remote_write` and `remote_read`, which a receiver doesn't act on: checked and forgotten (prometheus: config/config.go,
//! storage/remote/azuread; prometheus/sigv4).

use super::Error;
use super::client::{self, RawClient, url_field};
use super::decode::{Decoder, Result, Shape};
use super::rules::{self, RawRules};
use super::sd;
use crate::model::name::ValidationScheme;
use crate::model::quote::quoted;
use crate::wire::yaml::Node;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// What is checked of an entry when the whole document is known.
pub(super) struct Remote {
    name: Box<str>,
    rules: RawRules,
}

pub(super) const EMPTY: &str = "empty or null section";

pub(super) fn check(key: &str, entries: Vec<Option<Remote>>, scheme: ValidationScheme) -> Result {
    let mut names = HashSet::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let path = format!("{key}[{index}]");
        let Some(Remote { name, rules }) = entry else {
            return Err(Error::invalid(path, EMPTY));
        };
        rules::check(&path, rules, scheme)?;
        if names.contains(&name) {
            return Err(Error::invalid(
                path,
                format!("another one is named {name}", name = quoted(&name)),
            ));
        }
        if !name.is_empty() {
            names.insert(name);
        }
    }
    Ok(())
}

/// An entry of `remote_read`.
pub(super) fn read<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result<Option<Remote>> {
    let before = d.problems();
    let (mut url, mut name, mut map) = (None, Box::default(), BTreeMap::new());
    let mut client = RawClient::default();
    let shape = d.fields(node, &mut |d, key, node| {
        match key {
            "url" => url_field(d, node, &mut url)?,
            "remote_timeout" => d.duration(node, &mut Duration::default())?,
            "chunked_read_limit" => d.uint(node, &mut 0)?,
            "headers" => client::string_map(d, node, &mut map)?,
            "read_recent" | "filter_external_labels" => d.bool(node, &mut false)?,
            "name" => d.boxed(node, &mut name)?,
            "required_matchers" => drop(sd::group_labels(d, node)?),
            _ => return client.field(d, key, node),
        }
        Ok(true)
    })?;
    if d.problems() > before {
        return Ok(None);
    }
    if url.is_none() || shape == Shape::Null {
        return d.wrong("url for remote_read is empty");
    }
    client::check_headers(d, &map)?;
    client.validate(d)?;
    let rules = Vec::new();
    Ok(Some(Remote { name, rules }))
}

/// An entry of `remote_write`.
pub(super) fn write<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result<Option<Remote>> {
    let before = d.problems();
    let (mut url, mut name, mut map) = (None, Box::default(), BTreeMap::new());
    let mut message = Box::from(MESSAGES[0]);
    let (mut client, mut queue, mut rules) = (RawClient::default(), Queue::default(), Vec::new());
    let (mut has_sigv4, mut has_azuread, mut has_google) = (false, false, false);
    let shape = d.fields(node, &mut |d, key, node| {
        match key {
            "url" => url_field(d, node, &mut url)?,
            "remote_timeout" => d.duration(node, &mut Duration::default())?,
            "headers" => client::string_map(d, node, &mut map)?,
            "write_relabel_configs" => rules::rules(d, node, &mut rules)?,
            "name" => d.boxed(node, &mut name)?,
            "send_exemplars"
            | "send_native_histograms"
            | "round_robin_dns"
            | "failed_request_logging" => d.bool(node, &mut false)?,
            "protobuf_message" => d.boxed(node, &mut message)?,
            "queue_config" => queue.decode(d, node)?,
            "metadata_config" => metadata(d, node)?,
            "sigv4" => has_sigv4 = sigv4(d, node)?,
            "azuread" => has_azuread = azuread(d, node)?,
            "google_iam" => {
                has_google = !d.is_null(node)?;
                d.fields(node, &mut |d, key, node| match key {
                    "credentials_file" => d.boxed(node, &mut Box::default()).map(|()| true),
                    _ => Ok(false),
                })?;
            }
            _ => return client.field(d, key, node),
        }
        Ok(true)
    })?;
    if d.problems() > before {
        return Ok(None);
    }
    if url.is_none() || shape == Shape::Null {
        return d.wrong("url for remote_write is empty");
    }
    if rules.iter().any(Option::is_none) {
        return d.wrong("empty or null relabeling rule in remote write config");
    }
    client::check_headers(d, &map)?;
    if !MESSAGES.contains(&&*message) {
        return d.wrong(format!(
            "protobuf_message is {message} (one of {})",
            MESSAGES.join(", "),
            message = quoted(&message)
        ));
    }
    client.validate(d)?;
    queue.validate(d)?;
    let own = [has_sigv4, has_azuread, has_google];
    if client.authentications() + own.iter().filter(|has| **has).count() > 1 {
        return d.wrong(
            "at most one of basic_auth, authorization, oauth2, sigv4, azuread or google_iam must be configured",
        );
    }
    Ok(Some(Remote { name, rules }))
}

const MESSAGES: [&str; 2] = ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"];

/// `queue_config`.
struct Queue {
    capacity: i64,
    max_shards: i64,
    min_shards: i64,
    max_samples_per_send: i64,
    min_backoff: Duration,
    max_backoff: Duration,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            capacity: 10_000,
            max_shards: 50,
            min_shards: 1,
            max_samples_per_send: 2_000,
            min_backoff: Duration::from_millis(30),
            max_backoff: Duration::from_secs(5),
        }
    }
}

impl Queue {
    fn decode<'n>(&mut self, d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result {
        let shape = d.fields(node, &mut |d, key, node| {
            match key {
                "capacity" => d.int(node, &mut self.capacity)?,
                "max_shards" => d.int(node, &mut self.max_shards)?,
                "min_shards" => d.int(node, &mut self.min_shards)?,
                "max_samples_per_send" => d.int(node, &mut self.max_samples_per_send)?,
                "min_backoff" => d.duration(node, &mut self.min_backoff)?,
                "max_backoff" => d.duration(node, &mut self.max_backoff)?,
                "batch_send_deadline" | "sample_age_limit" => {
                    d.duration(node, &mut Duration::default())?
                }
                "retry_on_http_429" => d.bool(node, &mut false)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if shape == Shape::Null {
            // No shard, no room.
            (self.max_shards, self.capacity) = (0, 0);
        }
        Ok(())
    }

    fn validate(&self, d: &Decoder<'_, '_>) -> Result {
        for (name, value) in [
            ("max_shards", self.max_shards),
            ("min_shards", self.min_shards),
            ("max_samples_per_send", self.max_samples_per_send),
            ("capacity", self.capacity),
        ] {
            if value <= 0 {
                return d.wrong(format!("queue_config: {name} must be positive"));
            }
        }
        if self.min_shards > self.max_shards {
            return d.wrong("queue_config: min_shards must not be greater than max_shards");
        }
        if self.max_backoff < self.min_backoff {
            return d.wrong("queue_config: max_backoff must not be less than min_backoff");
        }
        Ok(())
    }
}

fn metadata<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result {
    d.fields(node, &mut |d, key, node| {
        match key {
            "send" => d.bool(node, &mut false)?,
            "send_interval" => d.duration(node, &mut Duration::default())?,
            "max_samples_per_send" => d.int(node, &mut 0)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(())
}

/// Texts by key, as far as they were written.
struct Texts(BTreeMap<Box<str>, Box<str>>);

impl Texts {
    /// Decodes a mapping in which all is text; what `other` knows is none.
    fn decode<'n>(
        d: &mut Decoder<'n, '_>,
        node: &'n Node<'n>,
        known: &str,
        other: &mut dyn FnMut(&mut Decoder<'n, '_>, &str, &'n Node<'n>) -> Result<bool>,
    ) -> Result<Self> {
        let mut texts = Self(BTreeMap::new());
        let shape = d.fields(node, &mut |d, key, node| {
            if !known.split_ascii_whitespace().any(|known| known == key) {
                return other(d, key, node);
            }
            let slot = texts.0.entry(key.into()).or_default();
            d.boxed(node, slot).map(|()| true)
        })?;
        if shape == Shape::Null {
            texts.0.clear();
        }
        Ok(texts)
    }

    fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", |text| text)
    }
}

/// Whether there is one, which is checked.
pub(super) fn sigv4<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result<bool> {
    if d.is_null(node)? {
        return Ok(false);
    }
    let (before, mut tags) = (d.problems(), BTreeMap::new());
    let known =
        "region access_key secret_key profile role_arn external_id session_name service_name";
    let texts = Texts::decode(d, node, known, &mut |d, key, node| {
        match key {
            "tags" => client::string_map(d, node, &mut tags)?,
            "use_fips_sts_endpoint" => d.bool(node, &mut false)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if d.problems() > before {
        return Ok(true);
    }
    if texts.get("access_key").is_empty() != texts.get("secret_key").is_empty() {
        return d.wrong("sigv4: access_key and secret_key must be given together");
    }
    let session = texts.get("session_name");
    let assumes = !session.is_empty() || !texts.get("external_id").is_empty() || !tags.is_empty();
    if assumes && texts.get("role_arn").is_empty() {
        return d.wrong("sigv4: external_id, session_name and tags need role_arn");
    }
    let in_session = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    let is_session = (2..=64).contains(&session.len()) && session.chars().all(in_session);
    if !(session.is_empty() || is_session) {
        return d.wrong("sigv4: session_name must be 2 to 64 letters, digits and _+=,.@-");
    }
    let mut tags = tags.iter();
    if !tags.all(|(key, value)| (1..=128).contains(&key.len()) && value.len() <= 256) {
        return d.wrong("sigv4: keys of tags are 1 to 128 bytes long, values at most 256");
    }
    Ok(true)
}

/// The ways to authenticate at Azure: key, texts, those that must be there, those that must be UUIDs if they are there.
const AZURE: [(&str, &str, &str, &str); 5] = [
    ("managed_identity", "client_id", "", "client_id"),
    (
        "workload_identity",
        "client_id tenant_id token_file_path",
        "client_id tenant_id",
        "client_id tenant_id",
    ),
    (
        "oauth",
        "client_id client_secret tenant_id",
        "client_id client_secret tenant_id",
        "client_id",
    ),
    ("sdk", "tenant_id", "", ""),
    (
        "certificate",
        "client_id tenant_id certificate_path certificate_key_path certificate_password",
        "client_id tenant_id certificate_path",
        "client_id",
    ),
];

/// Whether there is one, which is checked.
fn azuread<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result<bool> {
    if d.is_null(node)? {
        return Ok(false);
    }
    let before = d.problems();
    let mut ways = BTreeMap::new();
    let texts = Texts::decode(d, node, "cloud scope", &mut |d, key, node| {
        let Some(way) = AZURE.iter().find(|(name, ..)| *name == key) else {
            return Ok(false);
        };
        ways.remove(way);
        if d.is_null(node)? {
            return Ok(true);
        }
        let chain = "send_certificate_chain";
        let texts = Texts::decode(d, node, way.1, &mut |d, key, node| {
            if way.0 != "certificate" || key != chain {
                return Ok(false);
            }
            d.bool(node, &mut false).map(|()| true)
        })?;
        ways.insert(way, texts);
        Ok(true)
    })?;
    if d.problems() > before {
        return Ok(true);
    }
    if !matches!(
        texts.get("cloud"),
        "" | "AzureChina" | "AzureGovernment" | "AzurePublic"
    ) {
        return d.wrong("azuread: cloud must be AzurePublic, AzureGovernment or AzureChina");
    }
    let mut ways = ways.into_iter();
    let (Some((way, given)), None) = (ways.next(), ways.next()) else {
        return d.wrong(
            "azuread: exactly one of managed_identity, workload_identity, oauth, sdk and certificate must be given",
        );
    };
    let (name, _, needed, uuids) = way;
    for key in needed.split_ascii_whitespace() {
        if given.get(key).is_empty() {
            return d.wrong(format!("azuread: {name} needs {key}"));
        }
    }
    for key in uuids.split_ascii_whitespace() {
        let text = given.get(key);
        if !text.is_empty() && !is_uuid(text) {
            return d.wrong(format!(
                "azuread: {key} of {name} is no UUID: {text}",
                text = quoted(text)
            ));
        }
    }
    let in_scope = |c: char| c.is_ascii_alphanumeric() || "_:/.-\t\n\u{c}\r ".contains(c);
    if !texts.get("scope").chars().all(in_scope) {
        return d.wrong("azuread: scope contains invalid characters");
    }
    Ok(true)
}

/// What github.com/google/uuid reads: the usual form, also behind `urn:uuid:` or between any two characters, or without dashes.
fn is_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    let dashed = match bytes.len() {
        32 => return bytes.iter().all(u8::is_ascii_hexdigit),
        36 => Some(bytes),
        38 => bytes.get(1..37),
        45 => bytes
            .split_at_checked(9)
            .filter(|(urn, _)| urn.eq_ignore_ascii_case(b"urn:uuid:"))
            .map(|(_, rest)| rest),
        _ => None,
    };
    let fits = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    dashed.is_some_and(|bytes| bytes.iter().enumerate().all(fits))
}
