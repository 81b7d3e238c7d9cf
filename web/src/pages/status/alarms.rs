//! What an administrator must mend before the cloud goes out: standbys that have not proven that they answer, or
//! that the kernel does not confine.

use gateway::{LocalView, Site};

use crate::text::StatusText;

/// A sentence for each local model that is not proven or not confined, and one for each alias that has no other: what is wrong, and
/// what to do.
pub(crate) fn of(site: &Site, text: &StatusText) -> Vec<String> {
    // A model that is not loaded is so by an order, which the band tells, or by the configuration.
    let expected = |local: &&LocalView| !matches!(local.status, "unloading" | "unloaded");
    let of_models =
        site.locals.iter().filter(|local| !local.proven).filter(expected).map(|local| of_model(local, text));
    let aliases = site.aliases.iter().filter(|alias| alias.kind == "chat").filter(|alias| {
        let mut standby = site.standby_of(alias).peekable();
        standby.peek().is_some() && standby.all(|local| !local.proven)
    });
    let unconfined = site.locals.iter().filter(|local| local.confined == Some(false));
    let of_models = of_models.chain(unconfined.map(|local| (text.alarm_unconfined)(&local.name)));
    of_models.chain(aliases.map(|alias| (text.alarm_alias)(&alias.name))).collect()
}

fn of_model(local: &LocalView, text: &StatusText) -> String {
    if !local.speaks() {
        return (text.alarm_vectors)(&local.name);
    }
    let say = match local.status {
        "ready" => text.alarm_unproven,
        "failed" => text.alarm_failed,
        _ => text.alarm_not_loaded,
    };
    say(&local.name)
}
