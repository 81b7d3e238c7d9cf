//! The keys of the upstreams and the like: sealed by the box, or plain as they were put there.

use std::path::Path;

use gateway::settings::Secret;
use zeroize::Zeroizing;

use super::Check;
use crate::cloud_keys::{CloudKey, read};

impl Check {
    /// A key that cannot be read takes its upstream out of service; the box itself goes on.
    pub(super) fn secret(&mut self, place: &str, path: &Path) -> Option<Secret> {
        self.secret_file(place, "api_key_file", path).map(|key| Secret::new(key.to_string()))
    }

    /// The one line of a file that is sealed or plain; what is wrong with it is a problem and no refusal.
    pub(super) fn secret_file(&mut self, place: &str, key: &str, path: &Path) -> Option<Zeroizing<String>> {
        let path = self.dir.join(path);
        let what = match read(&path, &self.data_dir) {
            Ok(CloudKey::Sealed(secret)) if is_usable(&secret) => return Some(secret),
            Ok(CloudKey::Plain(secret)) if is_usable(&secret) => {
                self.plain_keys.push(path);
                return Some(secret);
            }
            Ok(_) => "holds no key. Put the key there, alone on one line.".to_owned(),
            Err(error) => {
                self.unread_keys.push(path.clone());
                format!("cannot be read ({error}). Put the key there, readable for this user.")
            }
        };
        self.problem(place, &format!("{key} {}: {what}", path.display()));
        None
    }
}

fn is_usable(key: &Zeroizing<String>) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic())
}
