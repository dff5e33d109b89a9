//! Aliases cost little text and much work.

/// Counts what aliases cause, so that a small document cannot become endless work (go-yaml: decode.go, `unmarshal`).
#[derive(Debug, Default)]
pub struct Aliasing {
    visits: u64,
    visits_by_alias: u64,
    depth: u32,
}

impl Aliasing {
    /// An alias is followed.
    pub fn enter(&mut self) {
        self.depth += 1;
    }

    /// What so many aliases stood for has been read.
    pub fn leave(&mut self, aliases: u32) {
        self.depth -= aliases;
    }

    /// A node is read; says whether there are too many by now.
    pub fn is_excessive(&mut self) -> bool {
        self.visits += 1;
        self.visits_by_alias += u64::from(self.depth > 0);
        if self.visits_by_alias <= 100 || self.visits <= 1000 {
            return false;
        }
        let over = (self.visits as f64 - 400_000.0).clamp(0.0, 3_600_000.0);
        let allowed = 0.99 - 0.89 * over / 3_600_000.0;
        self.visits_by_alias as f64 / self.visits as f64 > allowed
    }
}
