//! Reading our own settings file into typed values. The only user of `serde_yaml`.
//! Prometheus configurations need styles and positions, see [`super::parse`]; Kubernetes objects are YAML as Go reads it,
//! see [`super::json`].

use serde::de::DeserializeOwned;

/// Reads one document. Merge keys (`<<`) are followed.
///
/// # Errors
/// What is wrong, with line and column where known.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let read = || {
        // A quoted key is none.
        if !text.contains("<<:") {
            return serde_yaml::from_str(text);
        }
        let mut value: serde_yaml::Value = serde_yaml::from_str(text)?;
        value.apply_merge()?;
        serde_yaml::from_value(value)
    };
    read().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn merge_keys_are_followed() {
        let value: Value = from_str("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n").unwrap();
        assert_eq!(value["d"], json!({"b": 1, "c": 3}));
    }
}
