//! Tables: a model and what is free, to what is said.

use super::*;
use crate::gguf::Shape;

const GB: u64 = 1_000_000_000;

/// Of the shape of an 8B model at four bits: 131,072 bytes of cache for each token.
fn eight_b() -> Gguf {
    let shape = Shape {
        layers: 32,
        embedding: 4096,
        feed_forward: 14336,
        vocabulary: 128_256,
        context: 131_072,
        heads: 32,
        kv_heads: 8,
        key_length: 128,
        value_length: 128,
        kv_keys: 32 * 8 * 128,
        kv_values: 32 * 8 * 128,
        sliding_window: None,
        sees_all: false,
    };
    Gguf { architecture: "llama".into(), size_bytes: 4_900_000_000, shape, ..Gguf::default() }
}

fn free(bytes: u64, is_gpu: bool) -> Free {
    Free { device: if is_gpu { "GPU0" } else { "CPU" }.into(), bytes, gpus: is_gpu.into() }
}

const WISH: Wish =
    Wish { context_cells: 32_768, sequences: 16, cache: CacheKind::F16, kind: Kind::Chat, gpu_layers: None };

#[test]
fn the_need_is_weights_and_context_and_work() {
    let need = Need::of(&eight_b(), WISH);
    assert_eq!(need.weights, 4_900_000_000);
    assert_eq!(need.context, 32_768 * 131_072);
    assert!((400_000_000..800_000_000).contains(&need.compute), "{need}");
    let half = Need::of(&eight_b(), Wish { cache: CacheKind::Q8_0, ..WISH });
    assert_eq!(half.context, 32_768 * 131_072 / 64 * 34);
}

#[test]
fn a_quarter_of_a_context_may_be_kept_beside_it_where_there_is_much_more_than_is_needed() {
    let need = Need::of(&eight_b(), WISH);
    assert_eq!(swap_bytes(&need, &free(64 * GB, false)), need.context / 4);
    assert_eq!(swap_bytes(&need, &free(need.total() + 8_000_000, false)), 1_000_000);
    assert_eq!(swap_bytes(&need, &free(need.total() - 1, false)), 0);
}

#[test]
fn what_does_not_fit_is_told_with_the_least_that_must_be_given_up() {
    let table = [
        (12 * GB, false, "it fits"),
        (9 * GB, false, "context_cells = 16384, sequences = 16 would fit"),
        (7_200_000_000, false, "context_cells = 8192, sequences = 16 would fit"),
        (6_500_000_000, false, "context_cells = 4096, sequences = 8 would fit"),
        (6_100_000_000, false, "context_cells = 2048, sequences = 4 would fit"),
        (5_950_000_000, false, "context_cells = 2048, sequences = 1, cache = \"q8_0\" would fit"),
        (4 * GB, false, "choose a model of"),
        (
            4 * GB,
            true,
            "gpu_layers = 19, context_cells = 2048, sequences = 1, cache = \"q8_0\" would fit, with the other layers slowly",
        ),
        (0, true, "it does not fit; make room: no model is so small that it would"),
        (0, false, "it does not fit; make room: no model is so small that it would"),
    ];
    for (bytes, is_gpu, expected) in table {
        let said = plan(&eight_b(), WISH, free(bytes, is_gpu)).to_string();
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn what_is_advised_does_fit_and_less_of_it_would_not_have_been_enough() {
    for megabytes in (0..14_000).step_by(50) {
        let free = free(megabytes * 1_000_000, megabytes % 100 == 0);
        match plan(&eight_b(), WISH, free.clone()) {
            Plan::TooLarge { remedy: Remedy::Wish(wish), .. } => {
                assert!(matches!(plan(&eight_b(), wish, free.clone()), Plan::Fits { .. }), "{wish}");
                let before = concessions(WISH).take_while(|earlier| *earlier != wish);
                for earlier in before {
                    assert!(!Need::of(&eight_b(), earlier).fits(&free), "{earlier} is enough");
                }
                assert!(wish.gpu_layers.is_none_or(|layers| free.is_gpu() && (1..=32).contains(&layers)));
            }
            Plan::TooLarge { .. } | Plan::Fits { .. } => {}
        }
    }
}

#[test]
fn layers_that_stay_on_the_cpu_take_nothing_of_the_gpu() {
    let (whole, gpu) = (Need::of(&eight_b(), WISH), free(80 * GB, true));
    let on = |layers, free: &Free| Need::on(free, &eight_b(), Wish { gpu_layers: Some(layers), ..WISH });
    let third = on(11, &gpu);
    assert_eq!((third.weights, third.context), (whole.weights / 33 * 11, whole.context / 33 * 11));
    assert_eq!(third.compute, whole.compute);
    let rest = whole.beside(third);
    assert_eq!(rest.weights + third.weights, whole.weights);
    assert_eq!([on(33, &gpu), on(99, &gpu), on(11, &free(80 * GB, false))], [whole; 3]);
}

#[test]
fn each_of_several_gpus_works_for_itself_and_leaves_something_to_others() {
    let need = Need::of(&eight_b(), WISH);
    let fits = |gpus: u32, bytes: u64| {
        let free = Free { gpus, ..free(bytes, true) };
        Need::on(&free, &eight_b(), WISH).fits(&free)
    };
    let least = |gpus: u64| need.weights + need.context + gpus * (need.compute + LEFT_ON_GPU_BYTES);
    for gpus in [1, 2, 8] {
        assert!(fits(gpus, least(gpus.into())) && !fits(gpus, least(gpus.into()) - 1), "{gpus} GPUs");
    }
}

#[test]
fn numbers_that_a_hostile_file_may_have_overflow_nothing() {
    let mut gguf = eight_b();
    gguf.size_bytes = u64::MAX;
    gguf.shape.kv_keys = u64::MAX;
    gguf.shape.vocabulary = u32::MAX;
    gguf.shape.feed_forward = u32::MAX;
    gguf.shape.embedding = u32::MAX;
    for kind in Kind::ALL {
        let wish =
            Wish { context_cells: u32::MAX, sequences: 256, cache: CacheKind::Q8_0, kind, gpu_layers: None };
        let said = plan(&gguf, wish, free(12 * GB, false)).to_string();
        assert!(said.contains("does not fit"), "{said}");
    }
}

/// Of the shape of a small embedder: 384 numbers, six layers, texts of 512 tokens.
fn embedder() -> Gguf {
    let shape = Shape {
        layers: 6,
        embedding: 384,
        feed_forward: 1536,
        vocabulary: 30_522,
        context: 512,
        heads: 12,
        kv_heads: 12,
        key_length: 32,
        value_length: 32,
        kv_keys: 6 * 384,
        kv_values: 6 * 384,
        sliding_window: None,
        sees_all: true,
    };
    Gguf { architecture: "bert".into(), size_bytes: 91_000_000, pooling: Some(1), shape, ..Gguf::default() }
}

#[test]
fn a_model_that_makes_vectors_keeps_nothing_and_computes_a_whole_text_at_once() {
    let wish = Wish {
        context_cells: 2048,
        sequences: 64,
        cache: CacheKind::F16,
        kind: Kind::Embedding,
        gpu_layers: None,
    };
    let small = Need::of(&embedder(), wish);
    assert_eq!((small.weights, small.context), (91_000_000, 0));
    assert_eq!(small.compute, 512 * (8 * 384 + 2 * 1536 + 2 * 512 + 30_522) * 4 + BESIDES_BYTES);
    let mut long = embedder();
    long.shape.context = 8192;
    let asked = |context_cells| Need::of(&long, Wish { context_cells, ..wish }).compute;
    let logits = |tokens: u64| BESIDES_BYTES + tokens * 30_522 * 4;
    assert!(asked(8192) - logits(8192) > 32 * (asked(512) - logits(512)), "the square counts");
    let plan = plan(&long, Wish { context_cells: 8192, ..wish }, free(1_400_000_000, false));
    assert!(plan.to_string().ends_with("it does not fit; context_cells = 4096 would fit"), "{plan}");
    let mut words = long.clone();
    words.shape.sees_all = false;
    assert_eq!(Need::of(&words, wish).context, 2048 * 6 * 768 * 2, "one that reads word by word keeps them");
}
