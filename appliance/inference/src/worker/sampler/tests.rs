//! Rows of logits made by hand, and what may be drawn from them.

use super::*;
use crate::job::Penalties;

fn draws(sampling: &Sampling, logits: &[f32], seed: u64) -> Vec<i32> {
    let sampler = Sampler::new(sampling.clone(), seed);
    let mut scratch = Scratch::default();
    (0..2000).map(|place| sampler.choose(logits, Allowed::All, place, &mut scratch).unwrap()).collect()
}

fn share(draws: &[i32], token: i32) -> f64 {
    draws.iter().filter(|drawn| **drawn == token).count() as f64 / draws.len() as f64
}

fn warm() -> Sampling {
    Sampling { temperature: 1.0, ..Sampling::default() }
}

#[test]
fn temperature_zero_takes_the_likeliest_and_passes_over_what_is_no_number() {
    let sampler = Sampler::new(Sampling::default(), 1);
    let mut scratch = Scratch::default();
    assert_eq!(sampler.choose(&[0.0, f32::NAN, 3.0, 3.0], Allowed::All, 0, &mut scratch), Some(2));
    assert_eq!(sampler.choose(&[f32::NAN; 3], Allowed::All, 0, &mut scratch), None);
    assert_eq!(Sampler::new(warm(), 1).choose(&[f32::NAN; 3], Allowed::All, 0, &mut scratch), None);
}

#[test]
fn draws_follow_the_weights() {
    let drawn = draws(&warm(), &[0.0, (3.0f32).ln(), f32::NEG_INFINITY], 7);
    assert!((share(&drawn, 1) - 0.75).abs() < 0.03);
    assert_eq!(share(&drawn, 2), 0.0);
}

#[test]
fn the_same_seed_draws_the_same_tokens_from_any_place_on() {
    let logits: Vec<f32> = (0..50).map(|n| (n % 7) as f32 / 3.0).collect();
    assert_eq!(draws(&warm(), &logits, 42), draws(&warm(), &logits, 42));
    assert_ne!(draws(&warm(), &logits, 42), draws(&warm(), &logits, 43));
}

#[test]
fn top_k_keeps_only_the_likeliest_of_a_large_vocabulary() {
    let logits: Vec<f32> = (0..5000).map(|n| ((n * 2654435761u64) % 1000) as f32 / 500.0).collect();
    let mut order: Vec<i32> = (0..5000).collect();
    order.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b)));
    for drawn in draws(&Sampling { top_k: 3, ..warm() }, &logits, 5) {
        assert!(order[..3].contains(&drawn));
    }
}

#[test]
fn top_p_and_min_p_cut_the_tail_and_keep_at_least_one() {
    let logits = [2.0, 1.0, 0.0, -1.0];
    let nucleus = draws(&Sampling { top_p: 0.7, ..warm() }, &logits, 3);
    assert!(nucleus.iter().all(|token| *token < 2));
    assert!(draws(&Sampling { top_p: 0.0, ..warm() }, &logits, 3).iter().all(|token| *token == 0));
    assert!(draws(&Sampling { min_p: 0.3, ..warm() }, &logits, 3).iter().all(|token| *token < 2));
}

#[test]
fn what_has_been_said_is_penalised() {
    let penalties = Penalties { presence: 2.0, ..Penalties::default() };
    let mut sampler = Sampler::new(Sampling { penalties, ..Sampling::default() }, 1);
    let mut scratch = Scratch::default();
    assert_eq!(sampler.choose(&[1.5, 1.0], Allowed::All, 0, &mut scratch), Some(0));
    sampler.accept(0);
    assert_eq!(sampler.choose(&[1.5, 1.0], Allowed::All, 1, &mut scratch), Some(1));
}

#[test]
fn only_allowed_tokens_are_chosen() {
    let mut scratch = Scratch::default();
    assert_eq!(
        Sampler::new(Sampling::default(), 1).choose(
            &[9.0, 1.0, 2.0],
            Allowed::These(&[1, 2]),
            0,
            &mut scratch
        ),
        Some(2)
    );
    let drawn = Sampler::new(warm(), 1).choose(&[9.0, 1.0, 2.0], Allowed::These(&[1]), 0, &mut scratch);
    assert_eq!(drawn, Some(1));
}
