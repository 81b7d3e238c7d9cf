//! The keys of the upstreams: sealed by the box, or plain as they were put there.

use std::path::Path;

use gateway::settings::Secret;
use zeroize::Zeroizing;

use super::Check;
use crate::cloud_keys::{CloudKey, read};

impl Check {
    /// A key that cannot be read takes its upstream out of service; the box itself goes on.
    pub(super) fn secret(&mut self, place: &str, path: &Path) -> Option<Secret> {
        let path = self.dir.join(path);
        let what = match read(&path, &self.data_dir) {
            Ok(CloudKey::Sealed(key)) if is_usable(&key) => return Some(Secret::new(key.to_string())),
            Ok(CloudKey::Plain(key)) if is_usable(&key) => {
                self.plain_keys.push(path);
                return Some(Secret::new(key.to_string()));
            }
            Ok(_) => "holds no key. Put the key there, alone on one line.".to_owned(),
            Err(error) => format!("cannot be read ({error}). Put the key there, readable for this user."),
        };
        self.problem(place, &format!("api_key_file {}: {what}", path.display()));
        None
    }
}

fn is_usable(key: &Zeroizing<String>) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic())
}
