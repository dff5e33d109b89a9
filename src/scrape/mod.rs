//! Targets, their schedule, one scrape, and what follows from it: series, staleness, limits, the report. Produces batches.
