//! `additionalScrapeConfigs`: read and written again by `gopkg.in/yaml.v2`, as upstream does. Quotes, comments and anchors
//! are lost, YAML 1.1 words become booleans, merge keys vanish with what they would merge.

use super::super::assets::{Asset, AssetId, Assets};
use super::super::context::Context;
use super::super::lookup::name_problem;
use super::super::types::Error;
use crate::model::quote::quoted;
use crate::monitoring::KeySelector;
use crate::wire::yaml::emit::{Pairs, Tree, item};
use crate::wire::yaml::resolve::{Scalar, resolve};
use crate::wire::yaml::{Data, Node, Style, parse};
use base64::Engine;

/// The jobs of the Secret that the settings name for them, each as an item of the list `scrape_configs`.
pub(in super::super) fn jobs(
    cx: &Context<'_>,
    assets: &Assets,
    sharding: &[Tree<'static>],
) -> Result<Vec<String>, Error> {
    let Some(selector) = &cx.spec.additional_scrape_configs else {
        return Ok(Vec::new());
    };
    let KeySelector { name, key, .. } = selector;
    let optional = selector.optional == Some(true);
    let refuse = |reason: String| {
        Err(Error::new(format!(
            "loading additional scrape configs from Secret failed: {reason}"
        )))
    };
    if let Some(problem) = name_problem(name) {
        return refuse(problem);
    }
    match assets.get(&AssetId::secret(&cx.settings.namespace, name)) {
        Some(Asset::Present(data)) => match data.get(key) {
            Some(text) => jobs_of(text, cx, sharding),
            None if optional => Ok(Vec::new()),
            None => refuse(format!("key {key} could not be found in secret {name}")),
        },
        Some(Asset::Unavailable(reason)) => refuse(reason.to_string()),
        Some(Asset::Absent) | None if optional => Ok(Vec::new()),
        Some(Asset::Absent) | None => {
            refuse(format!("secrets {name} not found", name = quoted(name)))
        }
    }
}

fn jobs_of(
    text: &[u8],
    cx: &Context<'_>,
    sharding: &[Tree<'static>],
) -> Result<Vec<String>, Error> {
    let refuse = |reason: String| {
        Error::new(format!(
            "generating config failed: generate additional scrape configs: {reason}"
        ))
    };
    let unreadable = |reason: String| {
        refuse(format!(
            "unmarshalling additional scrape configs failed: {reason}"
        ))
    };
    let node = parse(text).map_err(|error| unreadable(format!("yaml: {error}")))?;
    let Some(node) = node else {
        return Ok(Vec::new());
    };
    let items = match tree(&node).map_err(unreadable)? {
        Tree::Null => Vec::new(),
        Tree::List(items) => items,
        _ => return Err(unreadable("not a list of scrape configurations".to_owned())),
    };
    let divided = !cx.settings.features.daemon_set && cx.spec.shards() > 1;
    let jobs = items.into_iter().enumerate().map(|(i, job)| {
        let pairs = match job {
            Tree::Map(pairs) => pairs,
            Tree::Null => Vec::new(),
            _ => return Err(unreadable(format!("entry {i} is not a map"))),
        };
        let pairs = if divided {
            with_sharding(pairs, sharding).map_err(|e| refuse(format!("entry {i}: {e}")))?
        } else {
            pairs
        };
        Ok(item(&Tree::Map(pairs)))
    });
    jobs.collect()
}

/// The rules move to the end and get those of sharding, unless one of them is a hash of its own.
fn with_sharding<'a>(pairs: Pairs<'a>, sharding: &'a [Tree<'static>]) -> Result<Pairs<'a>, String> {
    let (mut rest, mut rules) = (Vec::new(), Vec::new());
    for (key, value) in pairs {
        match value {
            value if key != Tree::from("relabel_configs") => rest.push((key, value)),
            Tree::List(items) => rules.extend(items),
            _ => return Err("error parsing relabel configs: not a list".to_owned()),
        }
    }
    let hashes = |rule: &Tree<'_>| match rule {
        Tree::Map(pairs) => Ok(pairs.contains(&("action".into(), "hashmod".into()))),
        _ => Err("error parsing relabel config: not a map".to_owned()),
    };
    let mut has_own_hash = false;
    for rule in &rules {
        has_own_hash |= hashes(rule)?;
    }
    if !has_own_hash {
        rules.extend(sharding.iter().map(Tree::Shared));
    }
    rest.push(("relabel_configs".into(), Tree::List(rules)));
    Ok(rest)
}

/// What the library decodes a node to.
fn tree<'a>(node: &Node<'_>) -> Result<Tree<'a>, String> {
    let node = node.resolved();
    Ok(match &node.data {
        Data::Scalar(text, style) => scalar(text, *style, node.tag.as_deref())?,
        Data::Sequence(items) => Tree::List(items.iter().map(tree).collect::<Result<_, _>>()?),
        Data::Mapping(pairs) => {
            let mut kept = Vec::with_capacity(pairs.len());
            for (key, value) in pairs {
                if is_merge(key) {
                    // Decoded like any value, then lost.
                    check_merge(value)?;
                    tree(value)?;
                } else {
                    kept.push((tree(key)?, tree(value)?));
                }
            }
            Tree::Map(kept)
        }
        Data::Alias(target) => tree(target)?,
        Data::Loop(_) => return Err("yaml: the value of an anchor contains itself".to_owned()),
    })
}

fn is_merge(key: &Node<'_>) -> bool {
    match &key.data {
        Data::Scalar(text, style) => {
            let merge_tag = key.tag.as_deref() == Some("tag:yaml.org,2002:merge");
            **text == *"<<" && (*style == Style::Plain && key.tag.is_none() || merge_tag)
        }
        _ => false,
    }
}

fn check_merge(value: &Node<'_>) -> Result<(), String> {
    let is_map = |node: &Node| matches!(node.resolved().data, Data::Mapping(_));
    let fits = match &value.data {
        Data::Sequence(items) => items.iter().all(is_map),
        _ => is_map(value),
    };
    if fits {
        Ok(())
    } else {
        Err("yaml: map merge requires map or sequence of maps as the value".to_owned())
    }
}

fn scalar<'a>(text: &str, style: Style, tag: Option<&str>) -> Result<Tree<'a>, String> {
    let written = || Tree::from(text.to_owned());
    let Some(tag) = tag else {
        return Ok(match style {
            Style::Quoted => written(),
            Style::Plain => plain(text),
        });
    };
    let mismatch = || format!("yaml: cannot decode `{text}` as a {tag}");
    let fits = match tag.strip_prefix("tag:yaml.org,2002:") {
        Some("binary") => {
            let text: String = text.split_ascii_whitespace().collect();
            let engine = base64::engine::general_purpose::STANDARD;
            let bytes = engine.decode(text);
            let bytes =
                bytes.map_err(|_| "!!binary value contains invalid base64 data".to_owned())?;
            Some(Tree::Bytes(bytes.into()))
        }
        Some("bool") => Some(plain(text)).filter(|t| matches!(t, Tree::Bool(_))),
        Some("int") => Some(plain(text)).filter(|t| matches!(t, Tree::Int(_) | Tree::Uint(_))),
        Some("null") => Some(plain(text)).filter(|t| matches!(t, Tree::Null)),
        Some("float") => match resolve(text) {
            Scalar::Int(number) => Some(Tree::Float(number as f64)),
            Scalar::Float(number) => Some(Tree::Float(number)),
            _ => None,
        },
        Some("timestamp") => (resolve(text) == Scalar::Timestamp).then(written),
        _ => Some(written()),
    };
    fits.ok_or_else(mismatch)
}

fn plain<'a>(text: &str) -> Tree<'a> {
    match resolve(text) {
        Scalar::Null => Tree::Null,
        Scalar::Bool(value) => Tree::Bool(value),
        Scalar::Int(number) => Tree::Int(number),
        Scalar::Uint(number) => Tree::Uint(number),
        Scalar::Float(number) => Tree::Float(number),
        // Dates stay text where any type is welcome.
        Scalar::Timestamp | Scalar::Text => Tree::from(text.to_owned()),
    }
}
