//! What an account or a key may be called.

const MAX_CHARS: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to {MAX_CHARS} characters, none of them a control character")]
pub struct BadName;

/// The name without the spaces around it.
pub(crate) fn checked_name(name: &str) -> Result<String, BadName> {
    let name = name.trim();
    let fits = (1..=MAX_CHARS).contains(&name.chars().count());
    if fits && !name.contains(char::is_control) { Ok(name.to_owned()) } else { Err(BadName) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_script_pass_and_empty_long_or_invisible_ones_do_not() {
        assert_eq!(checked_name(" 김간호사 "), Ok("김간호사".to_owned()));
        assert!(checked_name(&"x".repeat(64)).is_ok());
        for bad in ["", "  ", "a\nb", &"x".repeat(65)] {
            assert_eq!(checked_name(bad), Err(BadName));
        }
    }
}
