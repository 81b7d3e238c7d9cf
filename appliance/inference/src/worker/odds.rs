//! How likely a token was, from the row of logits that it was chosen from.

use std::cmp::Ordering;

/// The logarithm of the probability of `chosen`, and the likeliest tokens with theirs, the likeliest first; as many of them as
/// are asked for, as far as the model would ever say them. None when the row has no number in it.
pub(super) fn odds(row: &[f32], chosen: i32, alternatives: u8) -> Option<(f32, Vec<(i32, f32)>)> {
    let highest = row.iter().copied().filter(|logit| logit.is_finite()).fold(f32::NEG_INFINITY, f32::max);
    if highest == f32::NEG_INFINITY {
        return None;
    }
    // Around the highest, so that nothing overflows; in f64, since a hundred thousand small numbers are added.
    let weights = row.iter().filter(|logit| logit.is_finite());
    let total: f64 = weights.map(|logit| f64::from(logit - highest).exp()).sum();
    let log_total = total.ln() as f32;
    let of = |logit: f32| {
        if logit.is_finite() { (logit - highest - log_total).min(0.0) } else { f32::NEG_INFINITY }
    };
    let chosen = usize::try_from(chosen).ok().and_then(|token| row.get(token)).copied()?;
    let top = likeliest(row, usize::from(alternatives));
    Some((of(chosen), top.into_iter().map(|(token, logit)| (token, of(logit))).collect()))
}

/// Equals in the order of their tokens.
fn likeliest(row: &[f32], count: usize) -> Vec<(i32, f32)> {
    let mut top: Vec<(i32, f32)> = Vec::with_capacity(count + 1);
    let finite = row.iter().enumerate().filter(|(_, logit)| logit.is_finite());
    for (token, logit) in finite {
        if top.len() == count && top.last().is_none_or(|(_, lowest)| lowest >= logit) {
            continue;
        }
        let place = top.partition_point(|(_, other)| other.total_cmp(logit) != Ordering::Less);
        top.insert(place, (token as i32, *logit));
        top.truncate(count);
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(left: f32, right: f32) -> bool {
        (left - right).abs() < 1e-5
    }

    #[test]
    fn probabilities_are_those_of_the_whole_row() {
        let row = [1.0_f32.ln(), 2.0_f32.ln(), 5.0_f32.ln(), 2.0_f32.ln()];
        let (chosen, top) = odds(&row, 0, 3).unwrap();
        assert!(near(chosen, 0.1_f32.ln()), "{chosen}");
        let tokens: Vec<_> = top.iter().map(|(token, _)| *token).collect();
        assert_eq!(tokens, [2, 1, 3], "equals in the order of their numbers");
        assert!(near(top[0].1, 0.5_f32.ln()) && near(top[1].1, 0.2_f32.ln()));
        let (_, all) = odds(&row, 2, 20).unwrap();
        assert!(near(all.iter().map(|(_, logprob)| logprob.exp()).sum(), 1.0));
        assert!(odds(&row, 2, 0).unwrap().1.is_empty());
    }

    #[test]
    fn large_and_missing_numbers_do_no_harm() {
        let row = [5000.0, f32::NAN, f32::NEG_INFINITY, 4999.0, f32::INFINITY];
        let (chosen, top) = odds(&row, 0, 5).unwrap();
        assert!(near(chosen, -(1.0 + (-1.0_f32).exp()).ln()), "{chosen}");
        assert_eq!(top.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [0, 3]);
        assert_eq!(odds(&row, 2, 0).unwrap().0, f32::NEG_INFINITY, "ruled out");
        assert_eq!(odds(&[f32::NAN, f32::NEG_INFINITY], 0, 1), None);
        assert_eq!(odds(&row, 99, 1), None);
        assert_eq!(odds(&row, -1, 1), None);
    }

    #[test]
    fn a_row_of_many_equals_is_told_as_such() {
        let row = vec![0.25; 150_000];
        let (chosen, top) = odds(&row, 149_999, 20).unwrap();
        assert!(near(chosen, -(150_000.0_f32).ln()), "{chosen}");
        assert_eq!(top.len(), 20);
        assert!(
            top.iter()
                .enumerate()
                .all(|(place, (token, logprob))| *token == place as i32 && near(*logprob, chosen))
        );
    }
}
