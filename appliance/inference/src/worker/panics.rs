//! What a panic of the worker tells: control logs it, and it must not quote a request.

use std::any::Any;
use std::fmt::Display;
use std::io::Write;
use std::panic::{self, PanicHookInfo};
use std::thread;

/// From here on a panic tells its place, and of its message only what stands in the program.
pub(super) fn keep_requests_back() {
    panic::set_hook(Box::new(tell));
}

fn tell(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let told = told(thread.name().unwrap_or("unnamed"), &place, panic.payload());
    // Where control has gone nobody reads it, and nothing is to be made of that.
    let _ = writeln!(std::io::stderr(), "{told}");
}

/// Two lines, as control looks for them. A message that was put together at run time may hold what a request said.
fn told(thread: &str, place: &impl Display, message: &(dyn Any + Send)) -> String {
    let kept_back = "its message is kept back, since it may quote a request";
    let message = message.downcast_ref::<&'static str>().unwrap_or(&kept_back);
    format!("thread '{thread}' panicked at {place}:\n{message}")
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    fn told_of(panics: fn()) -> String {
        let message = catch_unwind(panics).expect_err("a panic");
        told("preparer", &"a.rs:1:2", message.as_ref())
    }

    #[test]
    fn a_message_of_the_program_is_told_and_one_that_may_quote_a_request_is_not() {
        let place = "thread 'preparer' panicked at a.rs:1:2:";
        assert_eq!(told_of(|| panic!("no such thing")), format!("{place}\nno such thing"));
        let quotes: [fn(); 3] = [
            || panic!("{} is wrong", String::from("a name")),
            || drop(String::from("이름")[1..].to_owned()),
            || std::panic::panic_any(String::from("a name")),
        ];
        for quote in quotes {
            let told = told_of(quote);
            assert!(told.starts_with(place) && told.lines().count() == 2, "{told}");
            assert!(!told.contains("name") && !told.contains("이름"), "{told}");
        }
    }
}
