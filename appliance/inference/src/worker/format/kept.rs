//! Forms that were compiled lately: a program asks in the same form again and again, and each of several answers has it.
//!
//! They are found by who asks as well: a form is sooner ready for nobody because of what somebody else has asked for.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Guide;
use crate::job::{Format, JobError, Scope, Tools};
use crate::worker::speech::Rules;

/// Those used last. What one holds is small beside what all forms of a model share.
const MOST: usize = 8;

/// All that decides on a form, for one model.
#[derive(Serialize)]
pub(in crate::worker) struct Asked<'a> {
    pub(in crate::worker) scope: Option<Scope>,
    pub(in crate::worker) format: Option<&'a Format>,
    pub(in crate::worker) tools: Option<&'a Tools>,
    /// The template has begun to think already.
    pub(in crate::worker) inside: bool,
    pub(in crate::worker) amid_words: bool,
}

/// Ready forms, of which nothing is written yet, the one used last in front.
#[derive(Default)]
pub(in crate::worker) struct Kept(Mutex<VecDeque<([u8; 32], Guide, Rules)>>);

impl Kept {
    /// The form as it was kept, or as `compile` makes it.
    ///
    /// # Errors
    /// Those of `compile`. They are not kept.
    pub(in crate::worker) fn form(
        &self,
        asked: &Asked<'_>,
        compile: impl FnOnce() -> Result<(Guide, Rules), JobError>,
    ) -> Result<(Guide, Rules), JobError> {
        let key = Sha256::digest(postcard::to_stdvec(asked).map_err(|_| JobError::Internal)?).into();
        if let Some(found) = self.take(&key) {
            return Ok(found);
        }
        let (guide, rules) = compile()?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_front((key, guide.copy(), rules.clone()));
        kept.truncate(MOST);
        Ok((guide, rules))
    }

    fn take(&self, key: &[u8; 32]) -> Option<(Guide, Rules)> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, ..)| known == key)?;
        let found = kept.remove(at)?;
        let copy = (found.1.copy(), found.2.clone());
        kept.push_front(found);
        Some(copy)
    }
}
