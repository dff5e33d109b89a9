//! The templates of all targets of an exporter: those that are equal are held once, for as long as a target has them.

use super::template::Template;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Weak};

/// See the module. Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Templates(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    hasher: RandomState,
    by_hash: HashMap<u64, Weak<Template>>,
    /// With so many the next look drops those that nobody has any more.
    most: usize,
}

impl Templates {
    /// The template that is equal to this one, or this one. (Of two with one hash the later is not shared.)
    pub(super) fn share(&self, new: Template) -> Arc<Template> {
        let mut known = self.0.lock();
        let hash = known.hasher.hash_one(&new);
        if let Some(old) = known.by_hash.get(&hash).and_then(Weak::upgrade)
            && *old == new
        {
            return old;
        }
        if known.by_hash.len() >= known.most {
            known
                .by_hash
                .retain(|_, template| template.strong_count() > 0);
            known.most = 2 * known.by_hash.len() + 16;
        }
        let new = Arc::new(new);
        known.by_hash.insert(hash, Arc::downgrade(&new));
        new
    }
}
