//! Reading a list: item by item, in bounds, and only if it is a list of the kind that was asked for.

use crate::kube::types::kind::Kind;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::io::{BufReader, Read};
use std::time::Duration;

const READ_BUFFER: usize = 16 * 1024;
/// Longest object, in bytes. etcd refuses more than about 1.5 MiB.
pub(crate) const MAX_OBJECT: u64 = 16 * 1024 * 1024;

/// What one list may cost, all of its pages together: bounds memory and time if a server goes mad.
#[derive(Debug, Clone)]
pub struct ListLimits {
    /// Pages. One has 500 objects, if there are as many.
    pub pages: usize,
    /// Objects. Kubernetes supports clusters of up to 150,000 pods.
    pub objects: usize,
    /// Bytes as they arrive.
    pub bytes: u64,
    /// From the first request to the last byte. Servers give up on a page after 60 s themselves.
    pub time: Duration,
}

impl Default for ListLimits {
    fn default() -> Self {
        Self {
            pages: 1000,
            objects: 250_000,
            bytes: 512 * 1024 * 1024,
            time: Duration::from_secs(120),
        }
    }
}

/// What is left of the limits.
pub(crate) struct Budget {
    limits: ListLimits,
    objects: usize,
    bytes: Cell<u64>,
    /// Bytes that the present object may still have.
    of_object: Cell<u64>,
    tokens: Vec<String>,
}

impl Budget {
    pub(crate) fn new(limits: &ListLimits) -> Self {
        Self {
            limits: limits.clone(),
            objects: limits.objects,
            bytes: Cell::new(limits.bytes),
            of_object: Cell::new(MAX_OBJECT),
            tokens: Vec::new(),
        }
    }

    /// Whether a further page may be asked for with this token.
    pub(crate) fn another_page(&mut self, token: &str) -> Result<(), String> {
        if self.tokens.iter().any(|known| known == token) {
            return Err("the same continue token came twice".to_owned());
        }
        if self.tokens.len() + 1 >= self.limits.pages {
            return Err(format!("it has more than {} pages", self.limits.pages));
        }
        self.tokens.push(token.to_owned());
        Ok(())
    }

    /// The limit that ended the reading, if it was one.
    fn exceeded(&self) -> Option<String> {
        if self.bytes.get() == 0 {
            return Some(format!("it is longer than {} bytes", self.limits.bytes));
        }
        (self.of_object.get() == 0)
            .then(|| format!("an object of it is longer than {MAX_OBJECT} bytes"))
    }
}

/// Ends where the budget does.
struct Metered<'a, R> {
    from: R,
    bytes: &'a Cell<u64>,
    of_object: &'a Cell<u64>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let most = self.bytes.get().min(self.of_object.get());
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(into.len());
        let read = self.from.read(into.get_mut(..most).unwrap_or_default())?;
        self.bytes.set(self.bytes.get().saturating_sub(read as u64));
        self.of_object
            .set(self.of_object.get().saturating_sub(read as u64));
        Ok(read)
    }
}

/// `metadata` of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListMeta {
    pub(crate) resource_version: String,
    /// Asks for the next page; empty on the last one.
    #[serde(rename = "continue")]
    pub(crate) next: String,
}

/// What every object begins with. In lists of built-in kinds its kind is left out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Head<'a> {
    #[serde(default, borrow)]
    api_version: Cow<'a, str>,
    #[serde(default, borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    pub(crate) metadata: HeadMeta,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct HeadMeta {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) resource_version: String,
}

impl Head<'_> {
    /// Whether it is an object of this kind, as far as it says what it is.
    pub(crate) fn check(&self, kind: Kind) -> Result<(), String> {
        let is_other = |says: &str, want: &str| !says.is_empty() && says != want;
        if is_other(&self.kind, kind.name()) || is_other(&self.api_version, &kind.api_version()) {
            let (api_version, got) = (&self.api_version, &self.kind);
            return Err(format!("got an object of {api_version} {got}, want {kind}"));
        }
        Ok(())
    }
}

/// Why a list could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection broke.
    Broken(String),
    /// It is not what was asked for, or too much.
    Bad(String),
}

/// Reads a page; each item is handed on as JSON text while it is read.
pub(crate) fn read(
    from: impl Read,
    kind: Kind,
    budget: &mut Budget,
    each: &mut dyn FnMut(&str),
) -> Result<ListMeta, Failure> {
    budget.of_object.set(MAX_OBJECT);
    let metered = Metered {
        from,
        bytes: &budget.bytes,
        of_object: &budget.of_object,
    };
    let mut reader = BufReader::with_capacity(READ_BUFFER, metered);
    let mut json = serde_json::Deserializer::from_reader(&mut reader);
    let seed = ListSeed {
        kind,
        objects: &mut budget.objects,
        of_object: &budget.of_object,
        each,
    };
    let meta = seed.deserialize(&mut json).and_then(|meta| {
        json.end()?;
        Ok(meta)
    });
    let meta = meta.map_err(|error| match (budget.exceeded(), error.classify()) {
        (Some(exceeded), _) => Failure::Bad(exceeded),
        (_, serde_json::error::Category::Io | serde_json::error::Category::Eof) => {
            Failure::Broken(format!("it ended early: {error}"))
        }
        _ => Failure::Bad(error.to_string()),
    })?;
    if meta.resource_version.is_empty() && meta.next.is_empty() {
        return Err(Failure::Bad(
            "it has no metadata.resourceVersion".to_owned(),
        ));
    }
    Ok(meta)
}

/// Takes the keys in any order: built-in kinds have `metadata` before `items`, custom resources after.
struct ListSeed<'a> {
    kind: Kind,
    objects: &'a mut usize,
    of_object: &'a Cell<u64>,
    each: &'a mut dyn FnMut(&str),
}

impl<'de> DeserializeSeed<'de> for ListSeed<'_> {
    type Value = ListMeta;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<ListMeta, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'_> {
    type Value = ListMeta;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}List", self.kind)
    }

    /// An answer that is something else, such as a `Status`, must not look like an empty list.
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<ListMeta, A::Error> {
        let mut meta = ListMeta::default();
        let (mut kind, mut api_version, mut has_items) = (String::new(), String::new(), false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "kind" => kind = map.next_value()?,
                "apiVersion" => api_version = map.next_value()?,
                "metadata" => meta = map.next_value()?,
                "items" => {
                    map.next_value_seed(ItemsSeed(&mut self))?;
                    has_items = true;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let want = (format!("{}List", self.kind), self.kind.api_version());
        if kind != want.0 || api_version != want.1 || !has_items {
            return Err(A::Error::custom(format!(
                "got {api_version:?} {kind:?}, want a {} of {} with items",
                want.0, want.1
            )));
        }
        Ok(meta)
    }
}

struct ItemsSeed<'a, 'b>(&'a mut ListSeed<'b>);

impl<'de> DeserializeSeed<'de> for ItemsSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        // Go writes an empty list as null at times.
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ItemsSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the items of a list")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let list = self.0;
        while let Some(item) = items.next_element::<Box<RawValue>>()? {
            list.of_object.set(MAX_OBJECT);
            *list.objects = list
                .objects
                .checked_sub(1)
                .ok_or_else(|| A::Error::custom("it has too many objects"))?;
            let head: Head<'_> = serde_json::from_str(item.get())
                .map_err(|_| A::Error::custom("an item of it is no object"))?;
            head.check(list.kind).map_err(A::Error::custom)?;
            (list.each)(item.get());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = r#""kind":"PodList","apiVersion":"v1""#;

    fn limits() -> ListLimits {
        ListLimits {
            objects: 3,
            bytes: 300,
            pages: 3,
            ..ListLimits::default()
        }
    }

    #[track_caller]
    fn check(kind: Kind, json: &str, want: Result<(&str, usize), &str>) {
        let mut items = 0;
        let mut each = |_: &str| items += 1;
        let got = read(
            json.as_bytes(),
            kind,
            &mut Budget::new(&limits()),
            &mut each,
        );
        match (got, want) {
            (Ok(meta), Ok(want)) => assert_eq!((&*meta.resource_version, items), want),
            (Err(Failure::Bad(text) | Failure::Broken(text)), Err(want)) => {
                assert!(text.contains(want), "{text}");
            }
            (got, _) => panic!("{json}: {got:?}"),
        }
    }

    #[test]
    fn lists_in_both_orders() {
        check(
            Kind::Pod,
            &format!(
                r#"{{{POD},"metadata":{{"resourceVersion":"7"}},"items":[{{}},{{"a":[1]}}]}}"#
            ),
            Ok(("7", 2)),
        );
        check(
            Kind::PodMonitor,
            r#"{"apiVersion":"monitoring.coreos.com/v1","items":[{"kind":"PodMonitor","apiVersion":"monitoring.coreos.com/v1"}],"kind":"PodMonitorList","metadata":{"continue":"","resourceVersion":"8"}}"#,
            Ok(("8", 1)),
        );
        check(
            Kind::Pod,
            &format!(r#"{{{POD},"items":null,"metadata":{{"resourceVersion":"9"}}}}"#),
            Ok(("9", 0)),
        );
    }

    #[test]
    fn what_is_no_list_of_this_kind_is_refused() {
        let meta = r#""metadata":{"resourceVersion":"9"}"#;
        for (json, why) in [
            (
                format!(r#"{{"kind":"Status","items":[],{meta}}}"#),
                "Status",
            ),
            (
                format!(r#"{{"kind":"ConfigMapList","apiVersion":"v1","items":[],{meta}}}"#),
                "ConfigMapList",
            ),
            (
                format!(r#"{{"kind":"PodList","apiVersion":"v2","items":[],{meta}}}"#),
                "v2",
            ),
            (format!(r#"{{"items":[],{meta}}}"#), "want a PodList"),
            (format!(r#"{{{POD},{meta}}}"#), "with items"),
            (
                format!(r#"{{{POD},{meta},"items":[{{"kind":"ConfigMap"}}]}}"#),
                "got an object of  ConfigMap",
            ),
            (
                format!(r#"{{{POD},{meta},"items":[{{"apiVersion":"v2","kind":"Pod"}}]}}"#),
                "v2",
            ),
            (format!(r#"{{{POD},{meta},"items":[7]}}"#), "no object"),
            (format!(r#"{{{POD},"items":[]}}"#), "resourceVersion"),
            (format!(r#"{{{POD},{meta},"items":[{{}}"#), "ended early"),
            ("[]".to_owned(), "PodList"),
            ("null".to_owned(), "PodList"),
            ("<html>".to_owned(), "expected value"),
        ] {
            check(Kind::Pod, &json, Err(why));
        }
    }

    #[test]
    fn a_list_has_an_end() {
        let many = format!(
            r#"{{{POD},"metadata":{{"resourceVersion":"7"}},"items":[{{}},{{}},{{}},{{}}]}}"#
        );
        check(Kind::Pod, &many, Err("too many objects"));
        let long = format!(r#"{{{POD},"items":[{{"a":"{}"#, "x".repeat(400));
        check(Kind::Pod, &long, Err("longer than 300 bytes"));
        let mut budget = Budget::new(&limits());
        assert_eq!(budget.another_page("a"), Ok(()));
        assert!(budget.another_page("a").unwrap_err().contains("twice"));
        assert_eq!(budget.another_page("b"), Ok(()));
        assert!(budget.another_page("c").unwrap_err().contains("3 pages"));

        // An object without an end, of a list that may be long.
        let endless = format!(r#"{{{POD},"items":[{{"a":""#);
        let endless = endless.as_bytes().chain(std::io::repeat(b'x'));
        let mut each = |_: &str| {};
        let mut budget = Budget::new(&ListLimits::default());
        let Err(Failure::Bad(text)) = read(endless, Kind::Pod, &mut budget, &mut each) else {
            panic!("read to its end")
        };
        assert!(text.contains("an object of it"), "{text}");
    }
}
