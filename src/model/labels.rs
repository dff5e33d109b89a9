//! Label sets: sorted, unique, without empty values, shared by reference count; and the buffers that build them.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// Interned text: equal texts of one [`Interner`] share their bytes.
pub type Text = Arc<str>;

/// The name of the label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";

/// Keeps one copy of each text. Owned by prepare and discovery threads; never used inside a scrape.
#[derive(Debug, Default)]
pub struct Interner(HashSet<Text>);

/// The interner sweeps out texts that nothing else holds when it has grown past this many, and then doubles.
const FIRST_SWEEP: usize = 4096;

impl Interner {
    /// An empty interner.
    pub fn new() -> Self {
        Self::default()
    }

    /// The shared copy of `text`.
    pub fn intern(&mut self, text: &str) -> Text {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        if self.0.len() >= FIRST_SWEEP && self.0.len() == self.0.capacity() {
            self.0.retain(|text| Arc::strong_count(text) > 1);
        }
        let new: Text = Arc::from(text);
        self.0.insert(Arc::clone(&new));
        new
    }
}

/// A label set: sorted by name (bytewise), names unique, valid UTF-8, no empty value.
/// Cloning counts a reference.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[(Text, Text)]>);

impl Labels {
    /// The set without labels.
    pub fn empty() -> Self {
        Self(Arc::from([]))
    }

    /// From pairs in any order; of equal names the last wins, empty values are left out.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut builder = LabelsBuilder::new();
        for (name, value) in pairs {
            builder.set(name, value);
        }
        builder.build(&mut Interner::new())
    }

    /// From pairs that are sorted and unique already. Only here may values be empty: external labels keep them, as upstream.
    pub fn from_sorted(pairs: Vec<(Text, Text)>) -> Self {
        Self(pairs.into())
    }

    /// The value of a label, if it is in the set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .binary_search_by(|(n, _)| (**n).cmp(name))
            .ok()
            .map(|at| &*self.0[at].1)
    }

    /// All pairs in order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// All pairs in order of their names, as shared texts.
    pub fn pairs(&self) -> &[(Text, Text)] {
        &self.0
    }

    /// How many labels.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both are the very same set in memory.
    pub fn same(a: &Self, b: &Self) -> bool {
        Arc::ptr_eq(&a.0, &b.0)
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Prometheus' form: `{a="1", b="2"}`, values quoted as Go does it.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (name, value)) in self.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

/// A label set being changed: what relabelling works on. Kept sorted; reused from target to target.
/// As upstream, a label set to the empty string is deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelsBuilder {
    pairs: Vec<(Text, Text)>,
    /// Bytes of all names and values.
    size: usize,
}

impl LabelsBuilder {
    /// A builder without labels.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all labels, keeps the memory.
    pub fn clear(&mut self) {
        self.pairs.clear();
        self.size = 0;
    }

    /// Replaces the contents by those of `labels`.
    pub fn reset(&mut self, labels: &Labels) {
        self.pairs.clear();
        self.pairs.extend_from_slice(&labels.0);
        self.measure();
    }

    /// Sets a label; an empty value deletes it.
    pub fn set(&mut self, name: &str, value: &str) {
        self.put(name, value, || Text::from(name), || Text::from(value));
    }

    /// Like [`LabelsBuilder::set`] with a name that is shared already.
    pub fn set_value(&mut self, name: &Text, value: &str) {
        self.put(name, value, || Arc::clone(name), || Text::from(value));
    }

    /// Like [`LabelsBuilder::set`] with texts that are shared already.
    pub fn set_text(&mut self, name: &Text, value: &Text) {
        self.put(name, value, || Arc::clone(name), || Arc::clone(value));
    }

    fn put(
        &mut self,
        name: &str,
        value: &str,
        new_name: impl FnOnce() -> Text,
        new_value: impl FnOnce() -> Text,
    ) {
        match (self.find(name), value.is_empty()) {
            (Some(at), true) => self.remove(at),
            (Some(at), false) => {
                if let Some((_, old)) = self.pairs.get_mut(at).filter(|(_, old)| **old != *value) {
                    self.size = self.size - old.len() + value.len();
                    *old = new_value();
                }
            }
            (None, true) => {}
            (None, false) => {
                let at = self.pairs.partition_point(|(known, _)| **known < *name);
                self.size += name.len() + value.len();
                self.pairs.insert(at, (new_name(), new_value()));
            }
        }
    }

    fn remove(&mut self, at: usize) {
        let (name, value) = self.pairs.remove(at);
        self.size -= name.len() + value.len();
    }

    /// Sets many labels in order; an empty value deletes. Costs no more than sorting them.
    pub fn set_all(&mut self, labels: Vec<(Text, Text)>) {
        const FEW: usize = 16;
        if labels.len() <= FEW {
            labels
                .iter()
                .for_each(|(name, value)| self.set_text(name, value));
            return;
        }
        self.pairs.extend(labels);
        self.pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        // The last of equal names counts, and the sort has kept their order.
        self.pairs.dedup_by(|later, kept| {
            let is_same = later.0 == kept.0;
            if is_same {
                std::mem::swap(later, kept);
            }
            is_same
        });
        self.pairs.retain(|(_, value)| !value.is_empty());
        self.measure();
    }

    /// Bytes of all names and values.
    pub fn size(&self) -> usize {
        self.size
    }

    fn measure(&mut self) {
        let sizes = self
            .pairs
            .iter()
            .map(|(name, value)| name.len() + value.len());
        self.size = sizes.sum();
    }

    /// Deletes a label.
    pub fn del(&mut self, name: &str) {
        if let Some(at) = self.find(name) {
            self.remove(at);
        }
    }

    /// Keeps the labels for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        self.pairs.retain(|(name, value)| keep(name, value));
        self.measure();
    }

    /// The value of a label, if it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.text_of(name).map(|value| &**value)
    }

    /// The value of a label as a shared text, if it is set.
    pub fn text_of(&self, name: &str) -> Option<&Text> {
        self.find(name).map(|at| &self.pairs[at].1)
    }

    /// All pairs in order of their names.
    pub fn pairs(&self) -> &[(Text, Text)] {
        &self.pairs
    }

    /// The finished set, its texts interned.
    pub fn build(&self, interner: &mut Interner) -> Labels {
        Labels(
            self.pairs
                .iter()
                .map(|(n, v)| (interner.intern(n), interner.intern(v)))
                .collect(),
        )
    }

    /// Names differ in length more often than not, and lengths stand in one piece of memory: up to some size, that beats
    /// comparing long prefixes.
    fn find(&self, name: &str) -> Option<usize> {
        const FEW: usize = 64;
        if self.pairs.len() <= FEW {
            return self.pairs.iter().position(|(known, _)| **known == *name);
        }
        self.pairs
            .binary_search_by(|(known, _)| (**known).cmp(name))
            .ok()
    }
}

/// A list of labels in one piece of memory, reused from series to series: what a reader fills in.
/// Order and duplicates are kept until [`LabelList::sort`]. Bytes, because pages may name things in other than UTF-8; whoever
/// takes the labels over asks [`LabelList::is_utf8`] and refuses the series (scrape-engine.md 6.4).
#[derive(Debug, Default, Clone)]
pub struct LabelList {
    text: Vec<u8>,
    /// Start, middle and end of each label in `text`.
    spans: Vec<(u32, u32, u32)>,
}

impl LabelList {
    /// A list without labels.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all labels, keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.spans.clear();
    }

    /// Adds a label at the end.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let start = self.text.len();
        self.text.extend_from_slice(name.as_ref());
        let middle = self.text.len();
        self.text.extend_from_slice(value.as_ref());
        // A page is capped far below 4 GiB, and so is what is made of one of its lines.
        let at = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        self.spans
            .push((at(start), at(middle), at(self.text.len())));
    }

    /// Sorts by name, bytewise; labels of equal name keep their order.
    pub fn sort(&mut self) {
        let text = &self.text;
        self.spans
            .sort_by(|a, b| name_of(text, a).cmp(name_of(text, b)));
    }

    /// All pairs in their present order, as bytes.
    pub fn raw(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone {
        self.spans
            .iter()
            .map(|span| (name_of(&self.text, span), value_of(&self.text, span)))
    }

    /// Whether all names and values are UTF-8.
    pub fn is_utf8(&self) -> bool {
        let valid = |bytes| std::str::from_utf8(bytes).is_ok();
        self.raw().all(|(name, value)| valid(name) && valid(value))
    }

    /// All pairs in their present order; what is not UTF-8 reads as empty.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        self.raw()
            .map(move |(name, value)| (text(name), text(value)))
    }

    /// The value of the first label of that name. The list must be sorted.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (text, name) = (&self.text, name.as_bytes());
        let at = self
            .spans
            .partition_point(|span| name_of(text, span) < name);
        let span = self.spans.get(at)?;
        let is_it = name_of(text, span) == name;
        is_it.then(|| std::str::from_utf8(value_of(text, span)).unwrap_or_default())
    }

    /// How many labels.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}

impl PartialEq for LabelList {
    fn eq(&self, other: &Self) -> bool {
        self.raw().eq(other.raw())
    }
}

fn name_of<'t>(text: &'t [u8], &(start, middle, _): &(u32, u32, u32)) -> &'t [u8] {
    text.get(start as usize..middle as usize)
        .unwrap_or_default()
}

fn value_of<'t>(text: &'t [u8], &(_, middle, end): &(u32, u32, u32)) -> &'t [u8] {
    text.get(middle as usize..end as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_sorted_and_unique() {
        let labels = Labels::from_pairs([("b", "2"), ("a", "0"), ("a", "1"), ("c", "")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!(labels.get("b"), Some("2"));
        assert_eq!(labels.get("c"), None);
        assert_eq!(labels.to_string(), r#"{a="1", b="2"}"#);
    }

    #[test]
    fn setting_empty_deletes() {
        let mut builder = LabelsBuilder::new();
        builder.set("a", "1");
        builder.set("a", "");
        assert_eq!(builder.pairs(), []);
    }

    #[test]
    fn many_at_once_are_as_one_by_one_and_sizes_add_up() {
        let text = |i: usize| Text::from(format!("{i}"));
        let many: Vec<_> = (0..40).map(|i| (text(i * 7 % 30), text(i))).collect();
        let gone = (0..5).map(|i| (text(i), Text::from("")));
        let many: Vec<_> = many.into_iter().chain(gone).collect();
        let (mut one, mut all) = (LabelsBuilder::new(), LabelsBuilder::new());
        for builder in [&mut one, &mut all] {
            builder.set("3", "old");
            builder.set("x", "y");
        }
        many.iter()
            .for_each(|(name, value)| one.set_text(name, value));
        all.set_all(many);
        assert_eq!(one, all);
        one.del("x");
        one.retain(|name, _| name == "10" || name == "11");
        one.set("10", "longer");
        assert_eq!(
            one.size(),
            one.pairs()
                .iter()
                .map(|(n, v)| n.len() + v.len())
                .sum::<usize>()
        );
    }

    #[test]
    fn a_list_keeps_duplicates() {
        let mut list = LabelList::new();
        for (name, value) in [("b", "1"), ("a", "2"), ("b", "0")] {
            list.push(name, value);
        }
        list.sort();
        assert_eq!(
            list.iter().collect::<Vec<_>>(),
            [("a", "2"), ("b", "1"), ("b", "0")]
        );
    }
}
