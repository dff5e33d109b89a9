//! Selecting objects by their fields, as an API server does it.

use super::types::kind::Kind;
use crate::model::selector::FieldSelector;
use serde_json::Value;

/// Reads a selector for a kind.
///
/// # Errors
/// It is malformed, or the API server cannot select by the field: it offers few.
pub fn parse(kind: Kind, text: &str) -> Result<FieldSelector, String> {
    let failed = |what: String| format!("field selector {text:?}: {what}");
    let selector = FieldSelector::parse(text).map_err(failed)?;
    let known = fields_of(kind);
    if let Some(field) = selector.fields().find(|field| !known.contains(field)) {
        return Err(failed(format!(
            "field label not supported: {field}; {} can be selected by {}",
            kind.plural(),
            known.join(", ")
        )));
    }
    Ok(selector)
}

/// Whether an object as JSON matches.
pub fn matches(selector: &FieldSelector, object: &Value) -> bool {
    selector.matches(|field| {
        let mut steps = field.split('.');
        match steps.try_fold(object, |at, step| at.get(step)) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(is)) => is.to_string(),
            // Booleans with a default are never absent on a server.
            _ if matches!(field, "spec.hostNetwork" | "spec.unschedulable") => "false".to_owned(),
            _ => String::new(),
        }
    })
}

/// What the API server can select by.
fn fields_of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Pod => &[
            "metadata.name",
            "metadata.namespace",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        Kind::Service => &[
            "metadata.name",
            "metadata.namespace",
            "spec.clusterIP",
            "spec.type",
        ],
        Kind::Node => &["metadata.name", "spec.unschedulable"],
        Kind::Namespace => &["metadata.name", "status.phase"],
        _ => &["metadata.name", "metadata.namespace"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_selectors() {
        let pod = serde_json::json!({"metadata": {"name": "a,b"}, "status": {"phase": "Running"}});
        let check = |text: &str| matches(&parse(Kind::Pod, text).unwrap(), &pod);
        assert!(check("status.phase=Running,spec.hostNetwork==false"));
        assert!(!check("status.phase!=Running"));
        assert!(check(r"metadata.name=a\,b,"));
        assert!(check("spec.nodeName="));
        for bad in ["spec.color=red", "status.phase", r"status.phase=\x", "=b"] {
            assert!(parse(Kind::Pod, bad).is_err(), "{bad}");
        }
    }
}
