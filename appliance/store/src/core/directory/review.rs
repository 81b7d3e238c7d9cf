//! Looking through all people of the directory, so that nobody who has left gets in on the day it is out of reach.

use super::{Found, OutOfReach};
use crate::StoreError;
use crate::core::{Account, Core};

/// As many may be gone at once without the configuration being the likelier reason.
const FEW: usize = 3;

#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    #[error(transparent)]
    OutOfReach(#[from] OutOfReach),
    /// Nothing was taken from anybody.
    #[error(
        "the directory knows {gone} of {of} people no more; look at base and user_filter, or remove them here"
    )]
    TooMany { gone: usize, of: usize },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Core {
    /// Asks the directory for everybody who is signed in or could be without it, and shuts out those who are gone,
    /// disabled, or in no group any more. Says how many.
    pub async fn review_directory_people(&self) -> Result<usize, ReviewError> {
        let Some(reception) = &self.reception else { return Ok(0) };
        let people = self.people_to_review()?;
        let of = people.len();
        let mut ended: Vec<(Account, &str)> = Vec::new();
        for (account, entry) in people {
            let why = match reception.directory.find(&account.name).await? {
                Found::Nobody => Some("gone"),
                Found::Entry(found) if found.id != entry => Some("gone"),
                Found::Entry(found) if found.is_disabled => Some("disabled"),
                Found::Entry(found) if found.role.is_none() => Some("no-group"),
                Found::Entry(_) | Found::Several => None,
            };
            ended.extend(why.map(|why| (account, why)));
        }
        if ended.len() > FEW && ended.len() * 2 > of {
            return Err(ReviewError::TooMany { gone: ended.len(), of });
        }
        for (account, why) in &ended {
            self.end_access(reception, account, why).await?;
        }
        Ok(ended.len())
    }
}
