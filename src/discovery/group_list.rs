//! Target groups as files and HTTP servers write them: a list of `{targets, labels}`, strictly read
//! (prometheus: discovery/targetgroup/targetgroup.go).

use crate::model::group::{RawLabels, TargetGroup};
use crate::model::labels::Text;
use crate::wire::yaml::{Data, Node, Style, parse};
use std::sync::Arc;

/// Reads a list of groups, each with the source `<origin>:<index>` and one more label that says where it came from.
/// JSON is read as the YAML it is.
pub(super) fn read(
    text: &[u8],
    origin: &str,
    origin_label: &str,
) -> Result<Vec<Arc<TargetGroup>>, String> {
    let Some(root) = parse(text).map_err(|error| error.to_string())? else {
        return Ok(Vec::new());
    };
    let Data::Sequence(items) = &root.resolved().data else {
        if is_null(&root) {
            return Ok(Vec::new());
        }
        return Err(at(&root, "want a list of target groups"));
    };
    let mut groups = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let (targets, mut labels) = group(item)?;
        labels.set(Text::from(origin_label), origin.as_bytes());
        groups.push(Arc::new(TargetGroup {
            source: Text::from(format!("{origin}:{i}")),
            labels,
            targets,
        }));
    }
    Ok(groups)
}

fn group(item: &Node<'_>) -> Result<(Vec<RawLabels>, RawLabels), String> {
    let Data::Mapping(fields) = &item.resolved().data else {
        return Err(at(
            item,
            "want a target group with the keys targets and labels",
        ));
    };
    let (mut targets, mut labels) = (Vec::new(), RawLabels::default());
    for (key, value) in fields {
        match scalar(key) {
            Some("targets") => targets = addresses(value)?,
            Some("labels") => labels = label_map(value)?,
            other => {
                let name = other.unwrap_or("?");
                return Err(at(
                    key,
                    &format!("unknown key {name:?}: want targets or labels"),
                ));
            }
        }
    }
    Ok((targets, labels))
}

fn addresses(node: &Node<'_>) -> Result<Vec<RawLabels>, String> {
    let items = match &node.resolved().data {
        Data::Sequence(items) => items.as_slice(),
        _ if is_null(node) => &[],
        _ => return Err(at(node, "targets: want a list of host:port")),
    };
    let address = Text::from("__address__");
    let targets = items.iter().map(|item| {
        let text = scalar(item).ok_or_else(|| at(item, "targets: want host:port"))?;
        Ok(RawLabels::new([(
            Text::clone(&address),
            text.as_bytes().into(),
        )]))
    });
    targets.collect()
}

fn label_map(node: &Node<'_>) -> Result<RawLabels, String> {
    let pairs = match &node.resolved().data {
        Data::Mapping(pairs) => pairs.as_slice(),
        _ if is_null(node) => &[],
        _ => return Err(at(node, "labels: want names and values")),
    };
    let mut labels = RawLabels::default();
    for (name, value) in pairs {
        let text = scalar(name).filter(|name| !name.is_empty());
        let name = text.ok_or_else(|| at(name, "labels: want a name"))?;
        let value = scalar(value).ok_or_else(|| at(value, "labels: want text as value"))?;
        labels.set(Text::from(name), value.as_bytes());
    }
    Ok(labels)
}

fn scalar<'n>(node: &'n Node<'_>) -> Option<&'n str> {
    match &node.resolved().data {
        Data::Scalar(text, _) if !is_null(node) => Some(text),
        _ => None,
    }
}

fn is_null(node: &Node<'_>) -> bool {
    matches!(&node.resolved().data, Data::Scalar(text, Style::Plain) if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
}

fn at(node: &Node<'_>, message: &str) -> String {
    format!("line {}: {message}", node.line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json() {
        for text in [
            "- targets: [a:1, 'b:2']\n  labels: {x: 1.0}\n- targets: ~\n",
            r#"[{"targets":["a:1","b:2"],"labels":{"x":"1.0"}},{"targets":[]}]"#,
        ] {
            let groups = read(text.as_bytes(), "/f", "__meta_filepath").unwrap();
            assert_eq!(groups.len(), 2);
            assert_eq!(&*groups[0].source, "/f:0");
            assert_eq!(groups[0].targets[1].get("__address__"), Some(&b"b:2"[..]));
            assert_eq!(groups[0].labels.get("x"), Some(&b"1.0"[..]));
            assert_eq!(groups[0].labels.get("__meta_filepath"), Some(&b"/f"[..]));
        }
        assert_eq!(read(b"", "f", "l"), Ok(Vec::new()));
        for bad in [
            "a: 1",
            "- target: [a]",
            "- ~",
            "- targets: a:1",
            "- labels: {a: [1]}",
        ] {
            let error = read(bad.as_bytes(), "f", "l").unwrap_err();
            assert!(error.starts_with("line 1: "), "{error}");
        }
    }
}
