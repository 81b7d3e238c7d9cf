//! Models and aliases that make vectors.

use inference::{Kind, Pooling};

use super::{GOOD, load};

const LOCALS: &str = r#"
[[local]]
name = "embedder"
file = "pilot-light.gguf"
kind = "embedding"
pooling = "cls"
[[local]]
name = "twin"
file = "pilot-light.gguf"
kind = "embedding"
[[local]]
name = "judge"
file = "pilot-light.gguf"
kind = "rerank"
"#;

/// A configuration with these lines of one more alias.
fn alias(lines: &str) -> String {
    format!("{GOOD}{LOCALS}[[alias]]\nname = \"notes\"\n{lines}\n")
}

#[test]
fn an_alias_is_for_what_its_models_are_for() {
    for (lines, kind) in [
        ("standby = [\"embedder\"]", Kind::Embedding),
        ("standby = [\"judge\"]", Kind::Rerank),
        ("standby = [\"pilot-light\"]", Kind::Chat),
        ("kind = \"embedding\"\ncloud = [\"openai/text-embedding-3-small\"]", Kind::Embedding),
        ("standby = [\"embedder\", \"twin\"]\nsame_model = true", Kind::Embedding),
        ("cloud = [\"openai/v\"]\nstandby = [\"embedder\"]\nsame_model = true", Kind::Embedding),
        ("cloud = [\"openai/gpt-4o\"]", Kind::Chat),
    ] {
        let (_folder, config) = load(&alias(lines));
        assert_eq!(config.expect(lines).gateway.aliases[1].kind, kind, "{lines}");
    }
    let (_folder, config) = load(&format!("{GOOD}{LOCALS}"));
    let locals = config.expect("good").locals;
    assert_eq!((locals[1].kind, locals[1].pooling), (Kind::Embedding, Some(Pooling::Cls)));
    assert_eq!((locals[1].context_cells, locals[1].sequences), (2048, 64));
    assert_eq!((locals[0].kind, locals[0].context_cells, locals[0].sequences), (Kind::Chat, 8192, 16));
}

#[test]
fn models_that_are_different_never_stand_for_each_other() {
    for (lines, words) in [
        ("standby = [\"embedder\", \"twin\"]", "cannot be compared"),
        ("cloud = [\"openai/v\"]\nstandby = [\"embedder\"]", "cannot be compared"),
        ("kind = \"embedding\"\ncloud = [\"openai/v\", \"openai/w\"]", "cannot be compared"),
        ("standby = [\"embedder\", \"pilot-light\"]", "of one kind"),
        ("standby = [\"judge\", \"embedder\"]\nsame_model = true", "of one kind"),
        ("kind = \"chat\"\nstandby = [\"embedder\"]", "of one kind"),
        ("kind = \"rerank\"\ncloud = [\"openai/v\"]", "local models alone"),
        ("cloud = [\"openai/v\"]\nstandby = [\"judge\"]", "local models alone"),
        ("standby = [\"pilot-light\"]\nsame_model = true", "kind \"embedding\" alone"),
        ("standby = [\"embedder\"]\nshorten = \"oldest-turns\"", "for conversations alone"),
        ("standby = [\"judge\"]\nwarm_share_percent = 2", "for conversations alone"),
        ("kind = \"poems\"\nstandby = [\"embedder\"]", "must be \"chat\""),
        ("kind = \"embedding\"\ncloud = [\"openai/gpt-4o\"]", "by the alias \"notes\""),
    ] {
        let error = load(&alias(lines)).1.expect_err(lines);
        assert!(error.contains(words) && !error.contains('\n'), "{lines}: {error}");
    }
}

#[test]
fn each_mistake_of_a_model_names_its_mend() {
    for (wrong, right, words) in [
        ("kind = \"vectors\"", "kind = \"embedding\"", "must be \"chat\""),
        ("pooling = \"max\"", "pooling = \"cls\"", "must be \"mean\""),
        ("pooling = \"rank\"", "pooling = \"cls\"", "for kind = \"rerank\" alone"),
        ("kind = \"rerank\"\npooling = \"mean\"", "kind = \"rerank\"", "or be left out"),
        ("", "kind = \"embedding\"", "pooling is for kind"),
    ] {
        let text = format!("{GOOD}{}", LOCALS.replacen(right, wrong, 1));
        let error = load(&text).1.expect_err(wrong);
        assert!(error.contains(words) && !error.contains('\n'), "{wrong}: {error}");
    }
}
