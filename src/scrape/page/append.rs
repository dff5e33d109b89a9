//! From the entries of a page to samples in a storage and in the batch (prometheus: scrape/scrape_append_v2.go): what is
//! known, what is new, what is a duplicate, what goes stale, what fails the whole scrape.

use super::buckets;
use super::cache::{Cache, NONE, Seen};
use super::changes::Changes;
use super::collected::Collected;
use super::family::belongs;
use super::labels::BadLabels;
use super::reading::{Counts, LINE, Reading};
use super::sample::{Offered, Place, Read, Refused};
use super::start_timestamp::{Starts, Synthesized};
use super::storage::{Metadata, Rejected, Sample, SampleLabels, Storage, Value};
use crate::model::bounds::Work;
use crate::model::histogram::Histogram;
use crate::model::labels::METRIC_NAME;
use crate::model::metadata::{Family, MetricKind};
use crate::model::relabel::Keep;
use crate::model::series::{FamilyId, Row, RowKind, SeriesId, SeriesTable};
use crate::model::value::stale_nan;
use crate::scrape::job::{Counters, Job};
use crate::scrape::target::Target;
use crate::textparse::{Entry, Format, LabelSource, Options, Parser};
use std::sync::atomic::{AtomicU64, Ordering};

/// One scrape's way into the storage.
pub(crate) struct Appending<'a, S> {
    pub(crate) target: &'a Target,
    pub(crate) job: &'a Job,
    pub(crate) cache: &'a mut Cache,
    pub(crate) starts: &'a mut Starts,
    pub(crate) table: &'a SeriesTable,
    pub(crate) collected: &'a mut Collected,
    pub(crate) storage: &'a mut S,
    /// The timestamp of samples that have none.
    pub(crate) slot_ms: i64,
}

impl<S: Storage> Appending<'_, S> {
    /// Appends a page, and the markers of the series it lacks. If it fails, the caller rolls back and appends nothing.
    pub(crate) fn page(
        &mut self,
        page: &[u8],
        format: Format,
        now_ms: i64,
        work: Work<'_>,
    ) -> (Counts, Result<(), String>) {
        let options = &self.job.options;
        let mut parser = Parser::new(
            page,
            format,
            Options {
                native_histograms: self.target.native_histograms,
                classic_histograms: self.target.classic_histograms,
                convert_to_nhcb: self.target.convert_to_nhcb,
                type_and_unit_labels: options.type_and_unit_labels,
                start_timestamps: options.parse_start,
            },
        );
        let mut reading = Reading::new(work, self.table, &self.job.config, now_ms);
        let mut result = Ok(());
        while let Some(entry) = parser.next() {
            result = match (entry, reading.work.spend(LINE)) {
                (Ok(entry), Ok(())) => self.entry(&mut reading, &entry),
                (Err(error), _) => Err(error.to_string()),
                (_, Err(_)) => Err(reading.late(self.target)),
            };
            if result.is_err() {
                break;
            }
        }
        let counters = &self.job.counters;
        if reading.over_samples {
            add(&counters.exceeded_sample_limit, 1);
        }
        if reading.over_buckets.is_some() {
            add(&counters.exceeded_bucket_limit, 1);
        }
        let result = result
            .and_then(|()| reading.check(&self.job.config, self.target))
            .and_then(|()| self.markers());
        (reading.counts, result)
    }

    /// Appends a marker for each series that was live and is not any more.
    pub(crate) fn markers(&mut self) -> Result<(), String> {
        for series in self.cache.stale() {
            let series = SeriesId(series);
            let sample = Sample {
                labels: labels_of(&self.collected.changes, self.table, series, self.target),
                value: Value::Float(stale_nan()),
                time: self.slot_ms,
                start: 0,
                exemplars: &[],
                metadata: None,
                reject_out_of_order: true,
            };
            match self.storage.append(&sample) {
                Ok(()) | Err(Rejected::Exemplars(_)) => self.collected.stale.push(series),
                // The target came back elsewhere and was scraped: it is not stale.
                Err(Rejected::OutOfOrder | Rejected::Duplicate) => {}
                Err(Rejected::OutOfBounds) => return Err("out of bounds".to_owned()),
                Err(Rejected::Invalid(message)) => return Err(message),
            }
        }
        Ok(())
    }

    fn entry(&mut self, reading: &mut Reading<'_>, entry: &Entry<'_>) -> Result<(), String> {
        match entry {
            Entry::Comment(_) => {}
            Entry::Type { name, kind } => {
                let name = String::from_utf8_lossy(name);
                let known = self.family(reading, &name, |family| family.kind == *kind);
                if let Some(family) = known {
                    family.kind = *kind;
                    reading.kinds_changed = true;
                }
            }
            Entry::Help { name, text } => {
                let (name, text) = (String::from_utf8_lossy(name), String::from_utf8_lossy(text));
                let checked = reading.work.check_value(text.len());
                checked.map_err(|why| format!("HELP of {name}: {why}"))?;
                if let Some(family) = self.family(reading, &name, |family| *family.help == *text) {
                    family.help = (*text).into();
                }
            }
            Entry::Unit { name, unit } => {
                let (name, unit) = (String::from_utf8_lossy(name), String::from_utf8_lossy(unit));
                if let Some(family) = self.family(reading, &name, |family| *family.unit == *unit) {
                    family.unit = (*unit).into();
                }
            }
            Entry::Series(series) => {
                self.collected.places.push(series.place);
                let read = Read {
                    key: series.key,
                    labels: series.labels,
                    value: Value::Float(series.value),
                    timestamp: series.timestamp,
                    start: series.start,
                    exemplars: series.exemplars,
                };
                return self.sample(reading, &read);
            }
            Entry::Histogram(entry) => {
                let read = Read {
                    key: entry.key,
                    labels: entry.labels,
                    value: Value::Histogram(entry.histogram),
                    timestamp: entry.timestamp,
                    start: entry.start,
                    exemplars: entry.exemplars,
                };
                return self.sample(reading, &read);
            }
        }
        Ok(())
    }

    /// Notes that a family was mentioned. If it is not `as_said`, gives it to be changed.
    fn family(
        &mut self,
        reading: &mut Reading<'_>,
        name: &str,
        as_said: impl Fn(&Family) -> bool,
    ) -> Option<&mut Family> {
        let (at, new) = self.cache.family(name);
        (reading.family, reading.context) = (Some(at), Some(at));
        let changes = &mut self.collected.changes;
        let same = !new && changes.family(self.table, at).is_some_and(as_said);
        let position = self.collected.order.len();
        (!same).then(|| changes.family_mut(self.table, at, name, position))
    }

    fn sample(&mut self, reading: &mut Reading<'_>, read: &Read<'_>) -> Result<(), String> {
        reading.counts.scraped += 1;
        let hash = self.cache.hash(read.key);
        let known = self.cache.find_row(hash).and_then(|at| {
            let row = self.collected.changes.row(self.table, at)?;
            Some((at, row))
        });
        let seen = known.map_or(Seen::New, |(at, _)| self.cache.look_at(at));
        if let (Some((at, _)), Seen::Known) = (known, seen) {
            self.collected.order.push(at);
        }
        if seen == Seen::New {
            self.starts.forget(hash);
        }
        let keep = match known {
            // A row that was forgotten is looked at anew: what stands above it may have another say in its labels.
            Some((_, row)) if seen != Seen::New => match row.kind {
                RowKind::Dropped => Keep::No,
                RowKind::Float | RowKind::Histogram => Keep::Yes,
            },
            _ => self.make_labels(reading, read.labels)?,
        };
        if keep == Keep::No {
            if seen == Seen::New {
                self.drop_row(hash, known);
            }
            return Ok(());
        }
        let timestamp = read.timestamp.filter(|_| self.job.config.honor_timestamps);
        let refused = if seen == Seen::Twice && timestamp.is_none() {
            // The first value wins.
            Some(Refused::Storage(Rejected::Duplicate))
        } else {
            let place = Place {
                hash,
                known,
                seen,
                timestamp,
            };
            self.append(reading, read, place).err()
        };
        if let Some(refused) = refused {
            self.judge(reading, refused)?;
            self.starts.forget(hash);
        }
        reading.counts.kept += 1;
        Ok(())
    }

    /// Remembers that a row is to be dropped.
    fn drop_row(&mut self, hash: u64, known: Option<(u32, Row)>) {
        let dropped = Row {
            series: SeriesId(NONE),
            family: None,
            kind: RowKind::Dropped,
        };
        let at = match known {
            None => self.add_row(hash, NONE, dropped),
            Some((at, row)) => {
                if row != dropped {
                    self.collected.changes.replace_row(at, dropped);
                }
                at
            }
        };
        self.learn(at);
    }

    fn make_labels(
        &mut self,
        reading: &mut Reading<'_>,
        labels: &dyn LabelSource,
    ) -> Result<Keep, String> {
        let made = self.collected.maker.make(
            labels,
            &self.job.config,
            &self.target.identity,
            &mut reading.work,
        );
        let keep = made.map_err(|bad| match bad {
            BadLabels::Invalid(message) => message,
            BadLabels::Limit(message) => {
                add(&self.job.counters.exceeded_label_limits, 1);
                message
            }
        })?;
        if keep == Keep::Yes {
            reading.add_text(&self.collected.maker.own)?;
        }
        Ok(keep)
    }

    /// Offers a sample to the storage; if it is taken, the row is known and the batch has it.
    fn append(
        &mut self,
        reading: &mut Reading<'_>,
        read: &Read<'_>,
        place: Place,
    ) -> Result<(), Refused> {
        let family = self.family_of(reading, place);
        let context = std::mem::replace(&mut reading.context, family).unwrap_or(NONE);
        let time = place.timestamp.unwrap_or(self.slot_ms);
        let made_up = self.make_up_start(reading, read, place, time);
        let (value, start) = match &made_up {
            Some(made_up) => (made_up.value(), made_up.start),
            None => (read.value, read.start),
        };
        let reduced = self.reduced(reading, value)?;
        let value = reduced.as_ref().map_or(value, Value::Histogram);
        let offered = Offered {
            value,
            time,
            start,
            family,
            rejects_out_of_order: self.job.options.synthesize_start && read.start == 0,
        };
        let is_histogram = matches!(read.value, Value::Histogram(_));
        let limit = self.job.options.bounds.attributes;
        let n_large = self
            .collected
            .take_exemplars(read.exemplars, is_histogram, time, limit);
        if n_large > 0 {
            add(&self.job.counters.exemplar_too_large, n_large);
        }
        let is_swallowed = made_up.as_ref().is_some_and(|made_up| made_up.is_first);
        if !is_swallowed {
            reading.check_limits(self.job.config.limits.samples, place.seen, &offered)?;
            self.offer(place, &offered)?;
        }

        let (at, row) = self.note_row(place, context, &offered);
        if place.seen == Seen::New {
            self.learn(at);
            if !reading.over_samples && reading.over_buckets.is_none() {
                reading.counts.added += 1;
            }
        }
        if made_up.is_none() {
            self.starts.forget(place.hash);
        }
        let tracks = self.job.config.track_timestamps_staleness;
        let is_live = if is_swallowed {
            // It goes stale only if it was delivered before.
            self.cache.was_delivered(row.series.0)
        } else {
            place.timestamp.is_none() || tracks || made_up.is_some()
        };
        if is_live {
            self.cache.set_live(row.series.0);
        } else if !is_swallowed {
            self.cache.set_delivered(row.series.0);
        }
        if !is_swallowed {
            self.collect(place, at, row, &offered);
        }
        Ok(())
    }

    fn offer(&mut self, place: Place, offered: &Offered<'_>) -> Result<(), Refused> {
        let changes = &self.collected.changes;
        let labels = match place.known {
            Some((_, row)) if place.seen != Seen::New => {
                labels_of(changes, self.table, row.series, self.target)
            }
            _ => SampleLabels::New(&self.collected.maker.labels),
        };
        let family = offered.family.and_then(|at| changes.family(self.table, at));
        let appended = self.storage.append(&Sample {
            labels,
            value: offered.value,
            time: offered.time,
            start: offered.start,
            exemplars: &self.collected.exemplars,
            metadata: family.map(Metadata::of),
            reject_out_of_order: offered.rejects_out_of_order,
        });
        match appended {
            // Rejected exemplars don't fail their sample.
            Err(Rejected::Exemplars(n)) => {
                if n == self.collected.exemplars.len() {
                    add(&self.job.counters.exemplar_out_of_order, n as u64);
                }
                Ok(())
            }
            other => other.map_err(Refused::Storage),
        }
    }

    /// The row of a sample that was taken, as it is now.
    fn note_row(&mut self, place: Place, context: u32, offered: &Offered<'_>) -> (u32, Row) {
        let mut row = Row {
            series: SeriesId(NONE),
            family: offered.family.map(FamilyId),
            kind: match offered.value {
                Value::Float(_) => RowKind::Float,
                Value::Histogram(_) => RowKind::Histogram,
            },
        };
        let changes = &mut self.collected.changes;
        let own = &self.collected.maker.own;
        let Some((at, known)) = place.known else {
            row.series = changes.series(self.table, own, self.cache);
            return (self.add_row(place.hash, context, row), row);
        };
        row.series = known.series;
        if place.seen == Seen::New && !changes.has_labels(self.table, known.series, own) {
            row.series = changes.series(self.table, own, self.cache);
        }
        if row != known {
            self.collected.changes.replace_row(at, row);
        }
        self.cache.set_context(at, context);
        (at, row)
    }

    /// Puts a sample into the batch.
    fn collect(&mut self, place: Place, at: u32, row: Row, offered: &Offered<'_>) {
        let at = if self.collected.is_present(at) {
            self.repetition(place.hash, at, row)
        } else {
            at
        };
        self.collected.put(at, offered.value);
        let collected = &mut *self.collected;
        if let Some(timestamp) = place.timestamp {
            collected.extras.timestamps.push((at, timestamp));
        }
        if offered.start != 0 {
            collected.extras.starts.push((at, offered.start));
        }
        let exemplars = collected.exemplars.drain(..);
        collected
            .extras
            .exemplars
            .extend(exemplars.map(|exemplar| (at, exemplar)));
    }

    /// Which family a series belongs to: the one above it, if the name fits.
    fn family_of(&self, reading: &Reading<'_>, place: Place) -> Option<u32> {
        let context = reading.context?;
        if let (Some((at, row)), Seen::Known | Seen::Twice) = (place.known, place.seen)
            && !reading.kinds_changed
            && self.cache.context(at) == context
        {
            return row.family.map(|family| family.0);
        }
        let family = self.collected.changes.family(self.table, context)?;
        belongs(self.name_of(place), &family.name, family.kind).then_some(context)
    }

    /// The metric name of a known row, or of the series whose labels were just made.
    fn name_of(&self, place: Place) -> &str {
        match place.known {
            Some((_, row)) if place.seen != Seen::New => {
                self.collected.changes.name(self.table, row.series)
            }
            _ => {
                let mut labels = self.collected.maker.labels.iter();
                let name = labels.find(|(name, _)| &**name == METRIC_NAME);
                name.map_or("", |(_, value)| value)
            }
        }
    }

    /// A cumulative sample without start timestamp, with one made up, if that is wanted.
    fn make_up_start(
        &mut self,
        reading: &Reading<'_>,
        read: &Read<'_>,
        place: Place,
        time: i64,
    ) -> Option<Synthesized> {
        if !self.job.options.synthesize_start || read.start != 0 {
            return None;
        }
        if !self.starts.knows(place.hash) {
            let family = self.collected.changes.family(self.table, reading.family?)?;
            let name = self.name_of(place);
            let is_cumulative = match family.kind {
                MetricKind::Counter | MetricKind::Histogram => true,
                MetricKind::Summary => name.ends_with("_count") || name.ends_with("_sum"),
                _ => false,
            };
            if !is_cumulative || !belongs(name, &family.name, family.kind) {
                return None;
            }
        }
        Some(self.starts.make_up(place.hash, read.value, time))
    }

    /// A histogram of lower resolution, if the limits ask for it.
    fn reduced(
        &self,
        reading: &Reading<'_>,
        value: Value<'_>,
    ) -> Result<Option<Histogram>, Refused> {
        let limit = self.job.config.bucket_limit;
        match value {
            Value::Histogram(histogram)
                if buckets::concerns(histogram, reading.max_schema, limit) =>
            {
                let mut reduced = histogram.clone();
                buckets::reduce(&mut reduced, reading.max_schema, limit)
                    .map_err(|buckets::TooManyBuckets(n)| Refused::BucketLimit(n))?;
                Ok(Some(reduced))
            }
            _ => Ok(None),
        }
    }

    fn add_row(&mut self, hash: u64, context: u32, row: Row) -> u32 {
        self.collected.changes.add_row(row);
        self.cache.add_row(hash, context)
    }

    fn learn(&mut self, at: u32) {
        self.cache.learn(at);
        self.collected.order.push(at);
    }

    /// The row of the second, third, … occurrence of a series with explicit timestamps.
    fn repetition(&mut self, hash: u64, first: u32, row: Row) -> u32 {
        let n = self.collected.repeats.entry(first).or_insert(0);
        *n += 1;
        let hash = self.cache.hash((hash, *n));
        let place = match self.cache.find_row(hash) {
            Some(place) => {
                if self.collected.changes.row(self.table, place) != Some(row) {
                    self.collected.changes.replace_row(place, row);
                }
                place
            }
            None => self.add_row(hash, NONE, row),
        };
        self.cache.see_repetition(place);
        self.collected.order.push(place);
        place
    }

    /// Counts a refused sample, or fails the scrape (prometheus: scrape/scrape.go, checkAddError).
    fn judge(&self, reading: &mut Reading<'_>, refused: Refused) -> Result<(), String> {
        let counters: &Counters = &self.job.counters;
        match refused {
            // Reading goes on, to report how many samples there are.
            Refused::SampleLimit => reading.over_samples = true,
            Refused::BucketLimit(n) => reading.over_buckets = Some(n),
            Refused::Storage(Rejected::OutOfOrder) => add(&counters.sample_out_of_order, 1),
            Refused::Storage(Rejected::Duplicate) => add(&counters.sample_duplicate, 1),
            Refused::Storage(Rejected::OutOfBounds) => add(&counters.sample_out_of_bounds, 1),
            Refused::Storage(Rejected::Exemplars(_)) => {}
            Refused::Storage(Rejected::Invalid(message)) => return Err(message),
        }
        Ok(())
    }
}

fn labels_of<'a>(
    changes: &'a Changes,
    table: &'a SeriesTable,
    series: SeriesId,
    target: &'a Target,
) -> SampleLabels<'a> {
    match changes.fresh_labels(table, series) {
        Some(own) => SampleLabels::Fresh(own, &target.identity),
        None => SampleLabels::Known(table, series, &target.identity),
    }
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
