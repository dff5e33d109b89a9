//! From the labels on a page to the final labels of a series: target labels, relabelling, checks, limits
//! (prometheus: scrape/scrape.go, mutateSampleLabels and verifyLabelLimits). Runs once per new series, not per sample.

use crate::config::{Limits, ScrapeConfig};
use crate::model::bounds::{Exceeded, Work};
use crate::model::identity::Identity;
use crate::model::labels::{LabelList, LabelsBuilder, METRIC_NAME, Text};
use crate::model::name::ValidationScheme;
use crate::model::relabel::Keep;
use crate::textparse::LabelSource;
use std::fmt::Write as _;

/// Stands for a byte that is not UTF-8 while labels are rewritten. It never means itself: no text may hold it.
pub(crate) const NOT_UTF8: char = '\u{10FFFE}';

/// Valid text stays, every other byte becomes [`NOT_UTF8`].
pub(crate) fn marked(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| NOT_UTF8));
    }
    text
}

/// Makes final labels; its buffers are reused from series to series.
#[derive(Debug, Default)]
pub(crate) struct LabelMaker {
    #[cfg(test)]
    pub(crate) n_made: usize,
    exposed: LabelList,
    /// The exposed labels of the last series, a label's repetitions aside: the next one shares what it has in the same place.
    texts: Vec<(Text, Text)>,
    builder: LabelsBuilder,
    /// The final labels, sorted. A name that was exposed twice may occur twice; the storage refuses that.
    pub(crate) labels: Vec<(Text, Text)>,
    /// What makes the final labels of the target's: see `SeriesTable::own_labels`.
    pub(crate) own: Vec<(Text, Text)>,
}

/// Why a series fails the whole scrape.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadLabels {
    /// No name, or a name that is not allowed.
    Invalid(String),
    /// Over one of the label limits.
    Limit(String),
}

impl LabelMaker {
    /// Makes the final labels of a series.
    pub(crate) fn make(
        &mut self,
        source: &dyn LabelSource,
        config: &ScrapeConfig,
        target: &Identity,
        work: &mut Work<'_>,
    ) -> Result<Keep, BadLabels> {
        #[cfg(test)]
        {
            self.n_made += 1;
        }
        self.exposed.clear();
        source.labels(&mut self.exposed);
        let is_utf8 = self.exposed.is_utf8();
        if !is_utf8 {
            self.mark();
        }
        self.builder.clear();
        let (mut last, mut n_texts) = (None, 0);
        for (name, value) in self.exposed.iter() {
            work.check_value(name.len().max(value.len()))
                .map_err(|why| self.too_large(&why))?;
            if last != Some(name) {
                let (name, value) = share(&mut self.texts, n_texts, name, value);
                self.builder.set_text(name, value);
                n_texts += 1;
            } else if value.is_empty() {
                self.builder.del(name);
            }
            last = Some(name);
        }
        self.texts.truncate(n_texts);
        if config.honor_labels {
            self.add_missing(target);
        } else {
            self.add_and_rename(target);
        }
        work.check_labels(self.builder.size())
            .map_err(|why| self.too_large(&why))?;
        let keep = config
            .metric_rules
            .apply(&mut self.builder, work)
            .map_err(|stopped| BadLabels::Invalid(stopped.to_string()))?;
        if keep == Keep::No || self.builder.pairs().is_empty() {
            return Ok(Keep::No);
        }
        self.labels.clear();
        self.labels.extend_from_slice(self.builder.pairs());
        self.repeat_duplicates();
        self.check(config.validation_scheme, &config.limits, is_utf8)?;
        self.check_info(work.bounds.attributes)?;
        self.find_own(target);
        Ok(Keep::Yes)
    }

    fn too_large(&self, why: &Exceeded) -> BadLabels {
        let metric = head(self.exposed.get(METRIC_NAME).unwrap_or_default());
        BadLabels::Invalid(format!("series of {metric:?}: {why}"))
    }

    /// All labels of `target_info` become attributes of the target's resource.
    fn check_info(&self, limit: usize) -> Result<(), BadLabels> {
        let n = self.labels.len();
        let is_info =
            |(name, value): &(Text, Text)| &**name == METRIC_NAME && &**value == "target_info";
        if n > limit && self.labels.iter().any(is_info) {
            return Err(BadLabels::Invalid(format!(
                "target_info has {n} labels (maxAttributes: {limit})"
            )));
        }
        Ok(())
    }

    /// `honor_labels`: an exposed label wins, even if it is empty.
    fn add_missing(&mut self, target: &Identity) {
        for (name, value) in target.labels.pairs() {
            if self.exposed.get(name).is_none() {
                self.builder.set_text(name, value);
            }
        }
    }

    /// The target's label wins; the exposed one is kept under the first free name of `exported_x`, `exported_exported_x`, …
    fn add_and_rename(&mut self, target: &Identity) {
        let mut conflicts = Vec::new();
        for (name, value) in target.labels.pairs() {
            match self.exposed.get(name) {
                None | Some("") => {}
                Some(exposed) => conflicts.push((name, Text::from(exposed))),
            }
            self.builder.set_text(name, value);
        }
        conflicts.sort_by_key(|(name, _)| name.len());
        for (name, value) in conflicts {
            let mut free = format!("exported_{name}");
            while self.builder.get(&free).is_some() {
                free.insert_str(0, "exported_");
            }
            self.builder.set(&free, &value);
        }
    }

    /// A builder holds each name once, and what target and rules do to a label that was exposed twice concerns the first of
    /// the two only, as upstream: the second stays.
    fn repeat_duplicates(&mut self) {
        let (mut last, n) = (None, self.labels.len());
        for (name, value) in self.exposed.iter() {
            if last == Some(name) && !value.is_empty() {
                self.labels.push((name.into(), value.into()));
            }
            last = Some(name);
        }
        if self.labels.len() > n {
            self.labels.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
    }

    /// What is not UTF-8 fails the scrape, unless relabelling removes it.
    fn mark(&mut self) {
        let exposed = std::mem::take(&mut self.exposed);
        for (name, value) in exposed.raw() {
            self.exposed.push(marked(name), marked(value));
        }
        self.exposed.sort();
    }

    fn check(
        &self,
        scheme: ValidationScheme,
        limits: &Limits,
        is_utf8: bool,
    ) -> Result<(), BadLabels> {
        let Some((_, metric)) = self.labels.iter().find(|(name, _)| &**name == METRIC_NAME) else {
            let text = "missing metric name (__name__ label)";
            return Err(BadLabels::Invalid(text.to_owned()));
        };
        let valid = |(name, value): &(Text, Text)| {
            let is_marked = name.contains(NOT_UTF8) || value.contains(NOT_UTF8);
            scheme.is_label_name(name) && (is_utf8 || !is_marked)
        };
        if !scheme.is_metric_name(metric) || !self.labels.iter().all(valid) {
            return Err(BadLabels::Invalid(format!(
                "invalid metric name or label names: {}",
                text_of(&self.labels)
            )));
        }
        self.check_limits(limits, metric).map_err(BadLabels::Limit)
    }

    fn check_limits(&self, limits: &Limits, metric: &str) -> Result<(), String> {
        let (n, limit) = (self.labels.len(), limits.labels);
        if limit > 0 && n as u64 > limit {
            let metric = head(metric);
            return Err(format!(
                "label_limit exceeded (metric: {metric}, number of labels: {n}, limit: {limit})"
            ));
        }
        for (name, value) in &self.labels {
            let (n, limit) = (name.len(), limits.label_name_length);
            if limit > 0 && n as u64 > limit {
                let (metric, name) = (head(metric), head(name));
                return Err(format!(
                    "label_name_length_limit exceeded (metric: {metric}, label name: {name}, length: {n}, limit: {limit})"
                ));
            }
            let (n, limit) = (value.len(), limits.label_value_length);
            if limit > 0 && n as u64 > limit {
                let (metric, name, value) = (head(metric), head(name), head(value));
                return Err(format!(
                    "label_value_length_limit exceeded (metric: {metric}, label name: {name}, value: {value:?}, length: {n}, limit: {limit})"
                ));
            }
        }
        Ok(())
    }

    fn find_own(&mut self, target: &Identity) {
        self.own.clear();
        let mut others = target.labels.pairs().iter().peekable();
        for (name, value) in &self.labels {
            while let Some((missing, _)) = others.next_if(|(other, _)| other < name) {
                self.own.push((Text::clone(missing), "".into()));
            }
            match others.next_if(|(other, _)| other == name) {
                Some((_, same)) if same == value => {}
                _ => self.own.push((Text::clone(name), Text::clone(value))),
            }
        }
        let missing = others.map(|(missing, _)| (Text::clone(missing), "".into()));
        self.own.extend(missing);
    }
}

/// The texts at `at`, made to be these.
fn share<'t>(
    texts: &'t mut Vec<(Text, Text)>,
    at: usize,
    name: &str,
    value: &str,
) -> &'t (Text, Text) {
    if at == texts.len() {
        texts.push((name.into(), value.into()));
    }
    let known = &mut texts[at];
    if *known.0 != *name {
        known.0 = name.into();
    }
    if *known.1 != *value {
        known.1 = value.into();
    }
    known
}

/// The first 50 characters: error texts stay short.
fn head(text: &str) -> &str {
    let end = text.char_indices().nth(50).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or_default()
}

/// Prometheus' form of a label set; names that need it are quoted.
fn text_of(labels: &[(Text, Text)]) -> String {
    let mut text = String::from("{");
    for (i, (name, value)) in labels.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        // Writing to a string cannot fail.
        let _unfailing = if ValidationScheme::Legacy.is_label_name(name) {
            write!(text, "{comma}{name}={value:?}")
        } else {
            write!(text, "{comma}{name:?}={value:?}")
        };
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::group::TargetGroup;
    use crate::model::identity::Discovered;
    use crate::model::labels::Labels;
    use std::sync::Arc;

    #[derive(Debug)]
    struct Page<'a>(&'a [(&'a str, &'a str)]);

    impl LabelSource for Page<'_> {
        fn labels(&self, out: &mut LabelList) {
            out.clear();
            for (name, value) in self.0 {
                out.push(name, value);
            }
            out.sort();
        }
    }

    fn target(labels: &[(&str, &str)]) -> Identity {
        Identity {
            job: "j".into(),
            labels: Labels::from_pairs(labels.iter().copied()),
            internal: Labels::empty(),
            discovered: Discovered {
                group: Arc::new(TargetGroup::default()),
                index: 0,
            },
            discovered_scheme: "http".into(),
        }
    }

    #[track_caller]
    fn check(target: &Identity, exposed: &[(&str, &str)], own: &[(&str, &str)]) {
        let mut maker = LabelMaker::default();
        maker.exposed.clear();
        Page(exposed).labels(&mut maker.exposed);
        for (name, value) in maker.exposed.iter() {
            maker.builder.set(name, value);
        }
        maker.add_and_rename(target);
        maker.labels = maker.builder.pairs().to_vec();
        maker.find_own(target);
        let ours: Vec<_> = maker.own.iter().map(|(n, v)| (&**n, &**v)).collect();
        assert_eq!(ours, own);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_marked_one_by_one() {
        assert_eq!(marked(b"a\xff\xfeb"), format!("a{NOT_UTF8}{NOT_UTF8}b"));
    }

    #[test]
    fn neighbours_share_the_texts_they_have_in_common() {
        let mut texts = Vec::new();
        let one = share(&mut texts, 0, "a", "1").clone();
        let same = share(&mut texts, 0, "a", "1").clone();
        let other = share(&mut texts, 0, "a", "2").clone();
        assert!(Arc::ptr_eq(&one.0, &same.0) && Arc::ptr_eq(&one.1, &same.1));
        assert!(Arc::ptr_eq(&one.0, &other.0));
        assert_eq!((&*one.1, &*other.1), ("1", "2"));
    }

    #[test]
    fn exposed_labels_move_out_of_the_way() {
        let target = target(&[
            ("exported_exported_foo", "1"),
            ("exported_exported_exported_foo", "2"),
            ("foo", "0"),
        ]);
        check(
            &target,
            &[
                ("foo", "3"),
                ("exported_foo", "4"),
                ("exported_exported_exported_foo", "5"),
            ],
            &[
                ("exported_exported_exported_exported_exported_foo", "5"),
                ("exported_exported_exported_exported_foo", "3"),
                ("exported_foo", "4"),
            ],
        );
        check(&target, &[("foo", "")], &[]);
    }
}
