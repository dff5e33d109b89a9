//! What the API server checks of a monitor before it takes it, for monitors that come from files: no API server has seen
//! those. The rules are the vendored definitions; nothing of them is repeated here.
//!
//! Mirrors apiextensions-apiserver (pkg/apiserver/schema: pruning of nulls, defaulting, listtype; pkg/registry/customresource)
//! and the kube-openapi validator under it, words included. The definitions have no CEL rules; a keyword that is not known
//! here fails a test.

use crate::kube::manifest;
use crate::kube::types::kind::Kind;
use crate::kube::types::meta::ObjectMeta;
use regex::Regex;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Number, Value};
use std::collections::{BTreeMap, HashMap};

/// Files of the vendored definitions.
const VENDORED: [(Kind, &str); 2] = [
    (
        Kind::ServiceMonitor,
        include_str!("../../vendor-crds/monitoring.coreos.com_servicemonitors.yaml"),
    ),
    (
        Kind::PodMonitor,
        include_str!("../../vendor-crds/monitoring.coreos.com_podmonitors.yaml"),
    ),
];

/// Most problems of one object that are told.
const MOST: usize = 10;

/// The custom resource definitions of both monitors.
#[derive(Debug)]
pub struct Definitions {
    /// The schema of `spec`. The server checks no more: it drops the `status` of what users write.
    specs: BTreeMap<Kind, Schema>,
}

impl Definitions {
    /// Those that this version was made for.
    pub fn vendored() -> Self {
        let specs = VENDORED.into_iter().filter_map(|(kind, text)| {
            let (objects, _) = manifest::read(kind.plural(), text);
            let spec = objects
                .first()?
                .value
                .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec")?;
            Some((kind, Schema::deserialize(spec).ok()?))
        });
        Self {
            specs: specs.collect(),
        }
    }

    /// Checks a monitor.
    ///
    /// # Errors
    /// What the API server would answer: paths, values, reasons.
    pub fn check(&self, kind: Kind, metadata: &ObjectMeta, spec: &Value) -> Result<(), String> {
        let mut problems = Problems::of(metadata);
        problems.spec(self.specs.get(&kind), spec);
        let more = problems.found.len().saturating_sub(MOST);
        problems.found.truncate(MOST);
        let told = problems.found.join(", ");
        match (problems.found.len(), more) {
            (0, _) => Ok(()),
            (1, _) => Err(format!("the API server would refuse it: {told}")),
            (_, 0) => Err(format!("the API server would refuse it: [{told}]")),
            _ => Err(format!(
                "the API server would refuse it: [{told}, and {more} more]"
            )),
        }
    }
}

/// A part of an OpenAPI schema as structural definitions have it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Schema {
    #[serde(rename = "type")]
    kind: String,
    format: String,
    nullable: bool,
    default: Option<Value>,
    properties: BTreeMap<String, Schema>,
    additional_properties: Option<Box<Schema>>,
    required: Vec<String>,
    items: Option<Box<Schema>>,
    min_items: Option<usize>,
    max_items: Option<usize>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    pattern: Option<Pattern>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    #[serde(rename = "enum")]
    one_of: Vec<Value>,
    #[serde(rename = "x-kubernetes-int-or-string")]
    int_or_string: bool,
    #[serde(rename = "x-kubernetes-list-type")]
    list_type: String,
    #[serde(rename = "x-kubernetes-list-map-keys")]
    list_map_keys: Vec<String>,
    /// Says of an integer-or-string once more what it is.
    #[serde(rename = "anyOf")]
    _any_of: Vec<Value>,
    /// Matters to server-side apply only.
    #[serde(rename = "x-kubernetes-map-type")]
    _map_type: String,
}

#[derive(Debug)]
struct Pattern(Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Regex::new(&text).map(Self).map_err(D::Error::custom)
    }
}

impl Schema {
    /// The schema of a field; unknown fields are pruned, so that nothing of them matters.
    fn field(&self, name: &str) -> Option<&Self> {
        let known = self.properties.get(name);
        known.or(self.additional_properties.as_deref())
    }

    /// Whether a field counts as not there: the server drops a null or puts the default in its place.
    fn drops(&self, value: &Value) -> bool {
        value.is_null() && !self.nullable
    }

    /// What the type of a value should be and what it is, if they differ.
    fn misfit<'a>(&'a self, value: &'a Value) -> Option<(&'a str, &'static str)> {
        let is = type_of(value);
        if value.is_null() && self.nullable {
            return None;
        }
        if self.int_or_string {
            return (!matches!(is, "integer" | "string")).then_some(("integer,string", is));
        }
        match (self.kind.as_str(), value) {
            ("integer", Value::Number(number)) => match self.format.as_str() {
                "int64" | "int32" if is == "number" || whole(number).is_none() => {
                    Some((&self.format, "float64"))
                }
                "int32" if whole(number).is_none_or(|n| i32::try_from(n).is_err()) => {
                    Some((&self.format, is))
                }
                _ => (is == "number").then_some(("integer", is)),
            },
            ("number", Value::Number(_)) | ("", _) => None,
            (kind, _) => (kind != is).then_some((kind, is)),
        }
    }

    /// What must not be twice in a list.
    fn identity(&self, item: &Value) -> Option<String> {
        match self.list_type.as_str() {
            "set" => Some(item.to_string()),
            "map" => {
                let default = |key| self.items.as_ref()?.field(key)?.default.as_ref();
                let keys = self.list_map_keys.iter();
                let values = keys.map(|key| item.get(key).or_else(|| default(key)));
                serde_json::to_string(&values.collect::<Vec<_>>()).ok()
            }
            _ => None,
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.as_f64().is_some_and(|n| n.fract() != 0.0) => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The whole number that is meant, if 64 bits hold it: `50.0` is one.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is looked at first"
)]
fn whole(number: &Number) -> Option<i64> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    number.as_i64().or_else(|| {
        let float = number.as_f64().filter(|n| n.fract() == 0.0)?;
        (-BEYOND..BEYOND).contains(&float).then_some(float as i64)
    })
}

/// A walk through a value, and what was found.
struct Problems {
    /// Where the walk is.
    path: String,
    found: Vec<String>,
}

impl Problems {
    fn of(metadata: &ObjectMeta) -> Self {
        Self {
            path: "spec".to_owned(),
            found: metadata.problems(),
        }
    }

    fn spec(&mut self, schema: Option<&Schema>, spec: &Value) {
        match (schema, spec) {
            (Some(_), Value::Null) => self.add("Required value"),
            (Some(schema), spec) => self.look(schema, spec),
            (None, _) => {}
        }
    }

    fn add(&mut self, problem: &str) {
        self.found.push(format!("{}: {problem}", self.path));
    }

    fn invalid(&mut self, value: &str, problem: &str) {
        let problem = format!("Invalid value: {value}: {} in body {problem}", self.path);
        self.add(&problem);
    }

    fn below(&mut self, step: std::fmt::Arguments<'_>, look: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(&step.to_string());
        look(self);
        self.path.truncate(length);
    }

    fn look(&mut self, schema: &Schema, value: &Value) {
        if let Some((wanted, is)) = schema.misfit(value) {
            let problem = format!("must be of type {wanted}: \"{is}\"");
            self.invalid(&format!("\"{is}\""), &problem);
            // A number that is too large, or no whole one, is held against the bounds, too.
            if !value.is_number() || schema.format.is_empty() {
                return;
            }
        }
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => self.number(schema, number),
            Value::String(text) => self.text(schema, text, value),
            Value::Array(items) => self.list(schema, items),
            Value::Object(fields) => {
                self.required(schema, fields);
                for (name, value) in fields {
                    if let Some(schema) = schema.field(name).filter(|s| !s.drops(value)) {
                        self.below(format_args!(".{name}"), |at| at.look(schema, value));
                    }
                }
            }
        }
        if !schema.one_of.is_empty() && !schema.one_of.contains(value) {
            let values: Vec<_> = schema.one_of.iter().map(Value::to_string).collect();
            let values = values.join(", ");
            self.add(&format!(
                "Unsupported value: {value}: supported values: {values}"
            ));
        }
    }

    fn required(&mut self, schema: &Schema, fields: &serde_json::Map<String, Value>) {
        for name in &schema.required {
            let known = schema.field(name);
            let is_there = match fields.get(name) {
                Some(value) => !known.is_some_and(|schema| schema.drops(value)),
                None => false,
            };
            if !is_there && known.is_none_or(|schema| schema.default.is_none()) {
                self.below(format_args!(".{name}"), |at| at.add("Required value"));
            }
        }
    }

    fn number(&mut self, schema: &Schema, number: &Number) {
        let (value, float) = (number.to_string(), number.as_f64().unwrap_or(f64::NAN));
        if let Some(least) = schema.minimum.filter(|least| float < *least) {
            self.invalid(
                &value,
                &format!("should be greater than or equal to {least}"),
            );
        }
        if let Some(most) = schema.maximum.filter(|most| float > *most) {
            self.invalid(&value, &format!("should be less than or equal to {most}"));
        }
    }

    fn text(&mut self, schema: &Schema, text: &str, value: &Value) {
        let length = text.chars().count();
        if let Some(least) = schema.min_length.filter(|least| length < *least) {
            self.invalid(
                &value.to_string(),
                &format!("should be at least {least} chars long"),
            );
        }
        if let Some(most) = schema.max_length.filter(|most| length > *most) {
            self.add(&format!("Too long: may not be more than {most} bytes"));
        }
        if let Some(Pattern(pattern)) = &schema.pattern
            && !pattern.is_match(text)
        {
            self.invalid(&value.to_string(), &format!("should match '{pattern}'"));
        }
    }

    fn list(&mut self, schema: &Schema, items: &[Value]) {
        let count = items.len();
        if let Some(least) = schema.min_items.filter(|least| count < *least) {
            self.invalid(
                &count.to_string(),
                &format!("should have at least {least} items"),
            );
        }
        if let Some(most) = schema.max_items.filter(|most| count > *most) {
            self.add(&format!(
                "Too many: {count}: must have at most {most} items"
            ));
        }
        let mut seen = HashMap::new();
        for (i, item) in items.iter().enumerate() {
            self.below(format_args!("[{i}]"), |at| {
                if let Some(schema) = &schema.items {
                    at.look(schema, item);
                }
                let times = schema.identity(item).map(|id| {
                    let times = seen.entry(id).or_insert(0);
                    *times += 1;
                    *times
                });
                // Said once of each value, as the server does.
                if times == Some(2) {
                    at.add(&format!("Duplicate value: {item}"));
                }
            });
        }
    }
}

#[cfg(test)]
mod tests;
