//! The warm share: which new conversations go local although the cloud is there.

/// Whether the share takes a conversation that stands at this place. Other bits than those of the ramp of failback
/// decide, so that the two do not always choose the same conversations.
pub(crate) fn takes(percent: u8, draw: u64) -> bool {
    draw.rotate_left(32) % 100 < u64::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_kept_within_a_tenth_of_what_was_asked_for() {
        let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut draws = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for percent in [0_u8, 2, 10, 50] {
            let taken = (0..100_000).filter(|_| takes(percent, draws())).count() as f64;
            let expected = 1000.0 * f64::from(percent);
            assert!((taken - expected).abs() <= expected * 0.1, "{percent} %: {taken}");
        }
    }

    #[test]
    fn the_same_conversation_is_always_decided_alike() {
        assert_eq!(takes(2, 12345), takes(2, 12345));
        assert!(!takes(0, 0) && takes(50, 0));
    }
}
