//! Passes over a row of logits: as many numbers as the vocabulary has tokens, so each pass counts.
//!
//! All are written so that the compiler makes wide instructions of them, and none copies the row.

/// Numbers that are compared at once.
const LANES: usize = 32;

/// The highest number of the row; minus infinity where it has none.
pub(super) fn highest(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (highest, number) in lanes.iter_mut().zip(chunk) {
            // Not `max`: what is no number never wins this comparison, and it is one instruction.
            *highest = if *number > *highest { *number } else { *highest };
        }
    }
    let of_lanes = lanes.iter().chain(rest).copied();
    of_lanes.fold(f32::NEG_INFINITY, |highest, number| if number > highest { number } else { highest })
}

/// The first place of the highest number; `None` where the row has none above minus infinity.
pub(super) fn place_of_highest(row: &[f32]) -> Option<usize> {
    let highest = highest(row);
    if highest == f32::NEG_INFINITY {
        return None;
    }
    let (chunks, rest) = row.as_chunks::<LANES>();
    let is_highest = |number: &f32| *number >= highest;
    for (index, chunk) in chunks.iter().enumerate() {
        if any_at_least(chunk, highest) {
            return chunk.iter().position(is_highest).map(|offset| index * LANES + offset);
        }
    }
    rest.iter().position(is_highest).map(|offset| chunks.len() * LANES + offset)
}

/// Calls `found` with the place and the number of each that is at least what `found` last returned, `threshold` at first.
pub(super) fn at_least(row: &[f32], threshold: f32, mut found: impl FnMut(usize, f32) -> f32) {
    let mut threshold = threshold;
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut each = |first: usize, numbers: &[f32], threshold: &mut f32| {
        for (offset, number) in numbers.iter().enumerate() {
            if *number >= *threshold {
                *threshold = found(first + offset, *number);
            }
        }
    };
    for (index, chunk) in chunks.iter().enumerate() {
        if any_at_least(chunk, threshold) {
            each(index * LANES, chunk, &mut threshold);
        }
    }
    each(chunks.len() * LANES, rest, &mut threshold);
}

fn any_at_least(chunk: &[f32; LANES], threshold: f32) -> bool {
    chunk.iter().fold(false, |any, number| any | (*number >= threshold))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|n| ((n * 7919) % 1009) as f32 - 500.0).collect()
    }

    #[test]
    fn the_highest_is_found_wherever_it_stands() {
        for count in [1, 31, 32, 33, 64, 1000] {
            for place in [0, count / 2, count - 1] {
                let mut row = numbers(count);
                row[place] = 9000.0;
                assert_eq!(
                    (highest(&row), place_of_highest(&row)),
                    (9000.0, Some(place)),
                    "{place} of {count}"
                );
            }
        }
    }

    #[test]
    fn the_first_of_equals_is_taken_and_what_is_no_number_passed_over() {
        let mut row = vec![f32::NAN; 70];
        assert_eq!((highest(&row), place_of_highest(&row)), (f32::NEG_INFINITY, None));
        row[40] = 2.0;
        row[66] = 2.0;
        assert_eq!(place_of_highest(&row), Some(40));
        assert_eq!(place_of_highest(&[]), None);
    }

    #[test]
    fn those_that_reach_a_rising_threshold_are_found_in_order() {
        let row = numbers(500);
        let mut found = Vec::new();
        at_least(&row, 450.0, |place, number| {
            found.push((place, number));
            450.0
        });
        let expected = row.iter().copied().enumerate().filter(|(_, number)| *number >= 450.0);
        assert_eq!(found, expected.collect::<Vec<_>>());
        let mut last = 0.0;
        at_least(&row, 0.0, |_, number| {
            assert!(number >= last);
            last = number;
            number
        });
        assert_eq!(last, highest(&row));
    }
}
