//! Service discovery settings (prometheus: discovery/registry.go, discovery/{file,http,kubernetes}, targetgroup).

use super::client::{RawClient, url_field};
use super::decode::{Decoder, Result, Shape};
use super::{AttachMetadata, FileSd, HttpSd, KubernetesSd, Role, SdConfig, Selector};
use crate::model::group::{RawLabels, TargetGroup};
use crate::model::quote::{quoted, without_password};
use crate::model::selector::{FieldSelector, LabelSelector};
use crate::model::url::Url;
use crate::wire::yaml::scalar;
use crate::wire::yaml::{Data, Node};
use std::sync::Arc;
use std::time::Duration;

/// The lists of a job, null items as `None`.
#[derive(Default)]
pub(super) struct RawDiscovery {
    file: Vec<Option<FileSd>>,
    http: Vec<Option<HttpSd>>,
    kubernetes: Vec<Option<KubernetesSd>>,
    pub(super) groups: Vec<Option<TargetGroup>>,
}

/// Upstream's other mechanisms: known, but not offered here.
const OTHERS: &str = "aws azure consul digitalocean dns docker dockerswarm ec2 ecs elasticache eureka gce hetzner ionos kuma \
    lightsail linode marathon msk nerve nomad oci openstack outscale ovhcloud puppetdb rds scaleway serverset stackit triton \
    uyuni vultr";

/// Whether a key is that of another mechanism of upstream's.
pub(super) fn is_other(key: &str) -> bool {
    let name = key.strip_suffix("_sd_configs");
    name.is_some_and(|name| OTHERS.split_ascii_whitespace().any(|known| known == name))
}

/// Without relabelling, nobody can turn a URL into an address.
pub(super) fn check_static_targets(d: &Decoder<'_, '_>, discovery: &[SdConfig]) -> Result {
    let groups = discovery.iter().flat_map(|sd| match sd {
        SdConfig::Static(groups) => groups.as_slice(),
        _ => &[],
    });
    for target in groups.flat_map(|group| &group.targets) {
        let address = target.get("__address__").unwrap_or_default();
        if address.contains(&b'/') {
            return d.wrong(format!(
                "{} is not a valid hostname",
                quoted(&String::from_utf8_lossy(address))
            ));
        }
    }
    Ok(())
}

impl RawDiscovery {
    /// Decodes a field if it is one of discovery's.
    pub(super) fn field<'n>(
        &mut self,
        d: &mut Decoder<'n, '_>,
        key: &str,
        node: &'n Node<'n>,
    ) -> Result<bool> {
        match key {
            "file_sd_configs" => d.list(node, &mut self.file, file)?,
            "http_sd_configs" => d.list(node, &mut self.http, http)?,
            "kubernetes_sd_configs" => d.list(node, &mut self.kubernetes, kubernetes)?,
            "static_configs" => d.list(node, &mut self.groups, group)?,
            _ => {
                if !is_other(key) {
                    return Ok(false);
                }
                let supported = "supported are kubernetes_sd_configs, static_configs, file_sd_configs, http_sd_configs";
                d.note(
                    node.line,
                    format!("this mechanism is not supported; {supported}"),
                );
            }
        }
        Ok(true)
    }

    /// All of it in upstream's order.
    pub(super) fn finish(self, d: &Decoder<'_, '_>) -> Result<Vec<SdConfig>> {
        let mut all = Vec::new();
        let mut add = |name: &str, configs: Vec<Option<SdConfig>>| {
            for config in configs {
                match config {
                    Some(config) => all.push(config),
                    None => return d.wrong(format!("empty or null section in {name}")),
                }
            }
            Ok(())
        };
        add(
            "file_sd_configs",
            self.file
                .into_iter()
                .map(|sd| sd.map(SdConfig::File))
                .collect(),
        )?;
        add(
            "http_sd_configs",
            self.http
                .into_iter()
                .map(|sd| sd.map(SdConfig::Http))
                .collect(),
        )?;
        let kubernetes = self.kubernetes.into_iter();
        add(
            "kubernetes_sd_configs",
            kubernetes
                .map(|sd| sd.map(|sd| SdConfig::Kubernetes(Arc::new(sd))))
                .collect(),
        )?;
        let mut groups = Vec::with_capacity(self.groups.len());
        for (index, group) in self.groups.into_iter().enumerate() {
            let Some(mut group) = group else {
                return d.wrong("empty or null section in static_configs");
            };
            group.source = index.to_string().into();
            groups.push(Arc::new(group));
        }
        if !groups.is_empty() {
            all.push(SdConfig::Static(groups));
        }
        Ok(all)
    }
}

fn group<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result<Option<TargetGroup>> {
    let before = d.problems();
    let mut group = TargetGroup::default();
    let address = d.shared.intern("__address__");
    d.fields(node, &mut |d, key, node| {
        match key {
            "targets" => {
                group.targets.clear();
                d.items(node, &mut |d, item| {
                    if let Some(target) = d.bytes(item)? {
                        let pair = (Arc::clone(&address), Box::from(target));
                        group.targets.push(RawLabels::new([pair]));
                    }
                    Ok(())
                })?;
            }
            "labels" => group.labels = group_labels(d, node)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok((d.problems() == before).then_some(group))
}

pub(super) fn group_labels<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result<RawLabels> {
    let mut labels = RawLabels::default();
    // Null is not asked for whether it is a name.
    let has_null = match &node.resolved().data {
        Data::Mapping(pairs) => pairs.iter().any(|(key, _)| scalar::is_null(key.resolved())),
        _ => false,
    };
    d.entries(node, &mut |d, key, value| {
        d.refuse_not_utf8(&key)?;
        if key.is_empty() && !has_null {
            return d.wrong("\"\" is not a valid label name");
        }
        if let Some(value) = d.bytes(value)? {
            if labels.get(&key).is_some() {
                return Ok(false);
            }
            let name = d.shared.intern(&key);
            labels.set(name, value);
        }
        Ok(true)
    })?;
    Ok(labels)
}

fn file<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result<Option<FileSd>> {
    let before = d.problems();
    let mut sd = FileSd {
        files: Vec::new(),
        refresh_interval: Duration::from_secs(5 * 60),
    };
    let shape = d.fields(node, &mut |d, key, node| {
        match key {
            "files" => d.boxes(node, &mut sd.files)?,
            "refresh_interval" => d.duration(node, &mut sd.refresh_interval)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if d.problems() > before {
        return Ok(None);
    }
    if shape == Shape::Null || sd.files.is_empty() {
        return d.wrong("file service discovery config must contain at least one path name");
    }
    match sd.files.iter().find(|name| !is_file_pattern(name)) {
        Some(name) => d.wrong(format!(
            "path name {name} is not valid for file discovery",
            name = quoted(name)
        )),
        None => Ok(Some(sd)),
    }
}

/// A name that ends in `.json`, `.yml` or `.yaml`, with at most one `*`, which stands in the last element.
fn is_file_pattern(name: &str) -> bool {
    let stem = name
        .rsplit_once('.')
        .filter(|(_, end)| matches!(*end, "json" | "yml" | "yaml" | "JSON" | "YML" | "YAML"));
    let Some((stem, _)) = stem else {
        return false;
    };
    // Like upstream's pattern, this allows further stars behind the first.
    stem.split_once('*')
        .is_none_or(|(_, tail)| !tail.contains('/'))
}

fn http<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result<Option<HttpSd>> {
    let before = d.problems();
    let mut client = RawClient::default();
    let (mut address, mut refresh_interval) = (Box::<str>::default(), Duration::from_secs(60));
    let shape = d.fields(node, &mut |d, key, node| {
        match key {
            "url" => d.boxed(node, &mut address)?,
            "refresh_interval" => d.duration(node, &mut refresh_interval)?,
            _ => return client.field(d, key, node),
        }
        Ok(true)
    })?;
    if d.problems() > before {
        return Ok(None);
    }
    if shape == Shape::Null || address.is_empty() {
        return d.wrong("URL is missing");
    }
    let parsed = Url::parse(&address).or_else(|what| {
        d.wrong(format!(
            "{address} is no URL: {what}",
            address = quoted(&without_password(&address))
        ))
    })?;
    if !matches!(parsed.scheme.as_str(), "http" | "https") {
        return d.wrong("URL scheme must be 'http' or 'https'");
    }
    if parsed.host.is_empty() {
        return d.wrong("host is missing in URL");
    }
    client.validate(d)?;
    Ok(Some(HttpSd {
        url: address,
        refresh_interval,
        http: client.finish(&d.shared.plain_client),
    }))
}

impl Role {
    const WORDS: [(Self, &'static str); 6] = [
        (Self::Endpoints, "endpoints"),
        (Self::EndpointSlice, "endpointslice"),
        (Self::Ingress, "ingress"),
        (Self::Node, "node"),
        (Self::Pod, "pod"),
        (Self::Service, "service"),
    ];

    /// The word in a configuration.
    pub fn as_str(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(role, _)| *role == self)
            .map_or("", |(_, word)| word)
    }

    /// The kinds whose selectors this role takes.
    fn selectable(self) -> &'static [Self] {
        match self {
            Self::Pod => &[Self::Pod, Self::Node],
            Self::Service => &[Self::Service],
            Self::Endpoints => &[Self::Pod, Self::Service, Self::Endpoints],
            Self::EndpointSlice => &[Self::Pod, Self::Service, Self::EndpointSlice],
            Self::Node => &[Self::Node],
            Self::Ingress => &[Self::Ingress],
        }
    }
}

fn role<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>, slot: &mut Option<Role>) -> Result {
    if d.is_null(node)? {
        *slot = None;
    } else if let Some(word) = d.string(node)? {
        match Role::WORDS.iter().find(|(_, known)| *known == word) {
            Some((role, _)) => *slot = Some(*role),
            None => {
                return d.wrong(format!(
                    "unknown Kubernetes SD role {word}",
                    word = quoted(&word)
                ));
            }
        }
    }
    Ok(())
}

#[derive(Default)]
struct RawKubernetes {
    api_server: Option<Box<str>>,
    role: Option<Role>,
    kubeconfig_file: Box<str>,
    client: RawClient,
    own_namespace: bool,
    namespaces: Vec<Box<str>>,
    selectors: Vec<(Option<Role>, Box<str>, Box<str>)>,
    attach: AttachMetadata,
}

fn kubernetes<'n>(d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result<Option<KubernetesSd>> {
    let before = d.problems();
    let mut raw = RawKubernetes::default();
    let shape = d.fields(node, &mut |d, key, node| raw.field(d, key, node))?;
    if d.problems() > before {
        return Ok(None);
    }
    if shape == Shape::Null {
        raw = RawKubernetes::default();
    }
    raw.validate(d).map(Some)
}

impl RawKubernetes {
    fn field<'n>(
        &mut self,
        d: &mut Decoder<'n, '_>,
        key: &str,
        node: &'n Node<'n>,
    ) -> Result<bool> {
        match key {
            "api_server" => url_field(d, node, &mut self.api_server)?,
            "role" => role(d, node, &mut self.role)?,
            "kubeconfig_file" => d.boxed(node, &mut self.kubeconfig_file)?,
            "namespaces" => self.namespaces(d, node)?,
            "selectors" => {
                self.selectors.clear();
                d.items(node, &mut |d, item| self.selector(d, item))?;
            }
            "attach_metadata" => self.attach(d, node)?,
            _ => return self.client.field(d, key, node),
        }
        Ok(true)
    }

    fn namespaces<'n>(&mut self, d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result {
        (self.own_namespace, self.namespaces) = (false, Vec::new());
        d.fields(node, &mut |d, key, node| {
            match key {
                "own_namespace" => d.bool(node, &mut self.own_namespace)?,
                "names" => d.boxes(node, &mut self.namespaces)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(())
    }

    fn selector<'n>(&mut self, d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result {
        let (mut kind, mut label, mut field) = (None, Box::default(), Box::default());
        d.fields(node, &mut |d, key, node| {
            match key {
                "role" => role(d, node, &mut kind)?,
                "label" => d.boxed(node, &mut label)?,
                "field" => d.boxed(node, &mut field)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        self.selectors.push((kind, label, field));
        Ok(())
    }

    fn attach<'n>(&mut self, d: &mut Decoder<'n, '_>, node: &'n Node<'n>) -> Result {
        let shape = d.fields(node, &mut |d, key, node| {
            match key {
                "node" => d.bool(node, &mut self.attach.node)?,
                "namespace" => d.bool(node, &mut self.attach.namespace)?,
                "deployment" => d.bool(node, &mut self.attach.deployment)?,
                "job" => d.bool(node, &mut self.attach.job)?,
                "cronjob" => d.bool(node, &mut self.attach.cronjob)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if shape == Shape::Null {
            self.attach = AttachMetadata::default();
        }
        Ok(())
    }

    fn validate(mut self, d: &Decoder<'_, '_>) -> Result<KubernetesSd> {
        let Some(role) = self.role else {
            return d.wrong(
                "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)",
            );
        };
        self.client.validate(d)?;
        let has_kubeconfig = !self.kubeconfig_file.is_empty();
        if self.api_server.is_some() && has_kubeconfig {
            return d.wrong("cannot use 'kubeconfig_file' and 'api_server' simultaneously");
        }
        if has_kubeconfig && self.client.is_custom() {
            return d.wrong(
                "cannot use a custom HTTP client configuration together with 'kubeconfig_file'",
            );
        }
        if self.api_server.is_none() && self.client.is_custom() {
            return d.wrong("to use custom HTTP client configuration please provide the 'api_server' URL explicitly");
        }
        if self.api_server.is_some() && self.own_namespace {
            return d
                .wrong("cannot use 'api_server' and 'namespaces.own_namespace' simultaneously");
        }
        if has_kubeconfig && self.own_namespace {
            return d.wrong(
                "cannot use 'kubeconfig_file' and 'namespaces.own_namespace' simultaneously",
            );
        }
        let mut selectors: Vec<Selector> = Vec::with_capacity(self.selectors.len());
        for (kind, label, field) in self.selectors {
            let Some(kind) = kind.filter(|kind| role.selectable().contains(kind)) else {
                let allowed: Vec<_> = role.selectable().iter().map(|role| role.as_str()).collect();
                return d.wrong(format!(
                    "{} role supports only {} selectors",
                    role.as_str(),
                    allowed.join(", ")
                ));
            };
            if selectors.iter().any(|known| known.role == kind) {
                return d.wrong(format!("duplicated selector role: {}", kind.as_str()));
            }
            FieldSelector::parse(&field).map(drop).or_else(|what| {
                d.wrong(format!(
                    "field selector {field}: {what}",
                    field = quoted(&field)
                ))
            })?;
            LabelSelector::parse(&label).map(drop).or_else(|what| {
                d.wrong(format!(
                    "label selector {label}: {what}",
                    label = quoted(&label)
                ))
            })?;
            selectors.push(Selector {
                role: kind,
                label,
                field,
            });
        }
        Ok(KubernetesSd {
            api_server: self.api_server,
            role,
            kubeconfig_file: self.kubeconfig_file,
            own_namespace: self.own_namespace,
            namespaces: self.namespaces,
            selectors,
            attach: self.attach,
            http: self.client.finish(&d.shared.plain_client),
        })
    }
}
