//! What owners set in the portal, as text by name.

use rusqlite::OptionalExtension;

use super::Core;
use crate::StoreError;

impl Core {
    pub fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read(|core| {
            core.prepare_cached("SELECT value FROM settings WHERE name = ?1")?
                .query_row([name], |row| row.get(0))
                .optional()
        })
    }

    pub async fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let row = [name.to_owned(), value.to_owned()];
        let set = self.write(move |core| {
            core.execute(
                "INSERT INTO settings (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                [&row[0], &row[1]],
            )
        });
        set.await.map(drop)
    }
}
