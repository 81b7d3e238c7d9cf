//! Counts the words that were lost and those that were said too often.

/// Words of `whole` that `said` lacks, and words of `said` that are too many, by the longest common subsequence.
pub(super) fn lost_and_doubled(whole: &str, said: &str) -> (usize, usize) {
    let whole: Vec<_> = whole.split_whitespace().collect();
    let said: Vec<_> = said.split_whitespace().collect();
    let mut row = vec![0; said.len() + 1];
    for word in &whole {
        let mut diagonal = 0;
        for (column, other) in said.iter().enumerate() {
            let above = row[column + 1];
            row[column + 1] = if word == other { diagonal + 1 } else { above.max(row[column]) };
            diagonal = above;
        }
    }
    let common = row[said.len()];
    (whole.len() - common, said.len() - common)
}

#[cfg(test)]
mod tests {
    use super::lost_and_doubled;

    #[test]
    fn what_is_missing_and_what_is_too_much_are_counted_apart() {
        assert_eq!(lost_and_doubled("a b c d", "a b c d"), (0, 0));
        assert_eq!(lost_and_doubled("a b c d", "a b d"), (1, 0));
        assert_eq!(lost_and_doubled("a b c d", "a b b c d"), (0, 1));
        assert_eq!(lost_and_doubled("w01 w02 w03", "w01 w0 w03 w03"), (1, 2));
        assert_eq!(lost_and_doubled("a b", ""), (2, 0));
    }
}
