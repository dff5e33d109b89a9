//! Bounds of what a target, a page or a monitor may make us compute and hold. Upstream has none of them: real pages and
//! rules stay far below.

use std::fmt;
use std::time::Duration;

/// The bounds, with defaults that no real target comes near.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes of a label's name or value.
    pub label_value: usize,
    /// Most bytes of all labels of a series, or of a target.
    pub labels: usize,
    /// Most attributes from a row of `target_info`, and most labels of an exemplar.
    pub attributes: usize,
    /// Most bytes of a page, inflated.
    pub page: u64,
    /// Shortest time between two scrapes of a target.
    pub min_interval: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            label_value: 1 << 20,
            labels: 2 << 20,
            attributes: 1024,
            page: 128 << 20,
            min_interval: Duration::from_millis(100),
        }
    }
}

impl Bounds {
    /// Most bytes that the labels of a target's series may take together: twice the largest page, so that relabelling
    /// has room.
    pub fn text(&self) -> usize {
        usize::try_from(self.page.saturating_mul(2)).unwrap_or(usize::MAX)
    }
}

/// A bound was exceeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exceeded {
    /// A name or value would be longer than [`Bounds::label_value`].
    Value {
        /// How long, at least.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// The labels would be larger than [`Bounds::labels`].
    Labels {
        /// How large, at least.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// A pattern this complicated is not matched against a text of this length.
    Match {
        /// Length of the text.
        bytes: usize,
    },
    /// It takes too long.
    Late,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { bytes, limit } => {
                write!(f, "a label of {bytes} bytes (maxLabelBytes: {limit})")
            }
            Self::Labels { bytes, limit } => {
                write!(
                    f,
                    "labels of {bytes} bytes in all (maxLabelsBytes: {limit})"
                )
            }
            Self::Match { bytes } => write!(
                f,
                "the pattern is too complicated for a text of {bytes} bytes: use fewer or smaller repetitions"
            ),
            Self::Late => f.write_str("it takes too long"),
        }
    }
}

impl std::error::Error for Exceeded {}

/// Most steps of one match, which nothing can interrupt: about a second at worst.
const MAX_MATCH: u64 = 1 << 28;

/// Counts what computing costs, in steps of about a nanosecond or two, so that pure code can be stopped without a clock.
pub struct Work<'a> {
    /// What must not be exceeded.
    pub bounds: &'a Bounds,
    left: u64,
    each: u64,
    is_late: &'a dyn Fn() -> bool,
}

impl fmt::Debug for Work<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl<'a> Work<'a> {
    /// Each time that so many steps are done, `is_late` is asked whether to give up.
    pub fn new(bounds: &'a Bounds, each: u64, is_late: &'a dyn Fn() -> bool) -> Self {
        Self {
            bounds,
            left: each,
            each,
            is_late,
        }
    }

    /// Work that ends after so many steps.
    pub fn of(bounds: &'a Bounds, steps: u64) -> Self {
        Self::new(bounds, steps, &|| true)
    }

    /// How many steps are left until the next question.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Announces steps.
    ///
    /// # Errors
    /// They are not to be done.
    pub fn spend(&mut self, steps: u64) -> Result<(), Exceeded> {
        if steps <= self.left {
            self.left -= steps;
            return Ok(());
        }
        if (self.is_late)() {
            self.left = 0;
            return Err(Exceeded::Late);
        }
        self.left = self.each;
        Ok(())
    }

    /// Announces a match of a text, with so many steps for each byte.
    ///
    /// # Errors
    /// It is not to be done.
    pub fn spend_match(&mut self, bytes: usize, steps: u64) -> Result<(), Exceeded> {
        let steps = steps.saturating_mul(bytes as u64);
        if steps > MAX_MATCH {
            return Err(Exceeded::Match { bytes });
        }
        self.spend(steps)
    }

    /// Whether a name or value may be this long.
    ///
    /// # Errors
    /// It may not.
    pub fn check_value(&self, bytes: usize) -> Result<(), Exceeded> {
        let limit = self.bounds.label_value;
        if bytes > limit {
            return Err(Exceeded::Value { bytes, limit });
        }
        Ok(())
    }

    /// Whether labels may be this large.
    ///
    /// # Errors
    /// They may not.
    pub fn check_labels(&self, bytes: usize) -> Result<(), Exceeded> {
        let limit = self.bounds.labels;
        if bytes > limit {
            return Err(Exceeded::Labels { bytes, limit });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn work_asks_now_and_then() {
        let (bounds, asked) = (Bounds::default(), Cell::new(0));
        let is_late = || asked.replace(asked.get() + 1) == 2;
        let mut work = Work::new(&bounds, 10, &is_late);
        let done = (0..).take_while(|_| work.spend(4).is_ok()).count();
        assert_eq!((done, asked.get()), (8, 3));
    }

    #[test]
    fn one_match_is_bounded() {
        let bounds = Bounds::default();
        let mut work = Work::of(&bounds, u64::MAX);
        assert_eq!(work.spend_match(1 << 20, 256), Ok(()));
        let bytes = 1 << 20;
        assert_eq!(work.spend_match(bytes, 257), Err(Exceeded::Match { bytes }));
        assert_eq!(work.left(), u64::MAX - (1 << 28));
    }
}
