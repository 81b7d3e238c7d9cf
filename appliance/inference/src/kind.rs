//! What a local model is for, and how one vector is made of a text.

use serde::{Deserialize, Serialize};

use crate::gguf::Gguf;

/// What is asked of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Answers in words.
    #[default]
    Chat,
    /// A vector of each text.
    Embedding,
    /// How well each document answers a query.
    Rerank,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Chat, Kind::Embedding, Kind::Rerank];

    /// As in the configuration.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::Chat => "chat",
            Kind::Embedding => "embedding",
            Kind::Rerank => "rerank",
        }
    }
}

/// Which of a text's vectors, one for each token, becomes the text's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pooling {
    /// The mean of all.
    Mean,
    /// That of the first token.
    Cls,
    /// That of the last token.
    Last,
    /// A classification head makes one score of it.
    Rank,
}

impl Pooling {
    pub const ALL: [Pooling; 4] = [Pooling::Mean, Pooling::Cls, Pooling::Last, Pooling::Rank];

    /// As in the configuration.
    pub fn named(name: &str) -> Option<Pooling> {
        Pooling::ALL.into_iter().find(|pooling| pooling.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Pooling::Mean => "mean",
            Pooling::Cls => "cls",
            Pooling::Last => "last",
            Pooling::Rank => "rank",
        }
    }

    /// As in a model's file; `llama.h` has the numbers. 0 is none.
    fn numbered(number: u64) -> Option<Pooling> {
        usize::try_from(number).ok()?.checked_sub(1).and_then(|index| Pooling::ALL.get(index)).copied()
    }
}

/// How a vector is made of a text, as the file says it.
pub fn pooling_of(gguf: &Gguf) -> Option<Pooling> {
    gguf.pooling.and_then(Pooling::numbered)
}

/// Holds what is asked of a model against what its file says.
///
/// Gives the pooling of one that makes vectors, `None` for one that answers in words. `wish` is the configuration's word,
/// which stands above the file's.
///
/// # Errors
/// One plain line: what does not fit, and what would.
pub fn fitting(gguf: &Gguf, kind: Kind, wish: Option<Pooling>) -> Result<Option<Pooling>, String> {
    let of_file = pooling_of(gguf);
    match (kind, wish.or(of_file)) {
        (Kind::Chat, _) if of_file == Some(Pooling::Rank) => {
            Err("it scores documents and can't answer: give it kind = \"rerank\"".into())
        }
        (Kind::Chat, _) if of_file.is_some() => {
            Err("it makes vectors of texts and can't answer: give it kind = \"embedding\"".into())
        }
        (Kind::Chat, _) => Ok(None),
        (Kind::Embedding, Some(Pooling::Rank)) => {
            Err("it scores documents and makes no vectors: give it kind = \"rerank\"".into())
        }
        (Kind::Embedding, None) => {
            Err("its file does not say how a vector is made of a text: give it pooling = \
             \"mean\", \"cls\" or \"last\", as its makers say, or choose a model that is made for embeddings"
                .into())
        }
        (Kind::Rerank, pooling) if pooling != Some(Pooling::Rank) => {
            Err("its file does not say that it scores documents: choose a model that is made for reranking"
                .into())
        }
        (Kind::Rerank, _) if !gguf.has_score => {
            Err("it has no layer that makes a score: convert it again as a model for reranking".into())
        }
        (Kind::Embedding | Kind::Rerank, pooling) => Ok(pooling),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(pooling: Option<u64>, has_score: bool) -> Gguf {
        Gguf { pooling, has_score, ..Gguf::default() }
    }

    #[test]
    fn what_is_asked_of_a_model_is_held_against_its_file() {
        use Kind::{Chat, Embedding, Rerank};
        let refused = |gguf: Gguf, kind, wish| fitting(&gguf, kind, wish).expect_err("it does not fit");
        assert_eq!(fitting(&says(None, false), Chat, None), Ok(None));
        assert_eq!(fitting(&says(Some(0), false), Chat, None), Ok(None));
        assert_eq!(fitting(&says(Some(1), false), Embedding, None), Ok(Some(Pooling::Mean)));
        assert_eq!(fitting(&says(Some(2), false), Embedding, None), Ok(Some(Pooling::Cls)));
        assert_eq!(fitting(&says(Some(3), false), Embedding, None), Ok(Some(Pooling::Last)));
        assert_eq!(fitting(&says(Some(4), true), Rerank, None), Ok(Some(Pooling::Rank)));
        assert_eq!(fitting(&says(Some(1), false), Embedding, Some(Pooling::Cls)), Ok(Some(Pooling::Cls)));
        assert_eq!(fitting(&says(None, true), Rerank, Some(Pooling::Rank)), Ok(Some(Pooling::Rank)));
        let table = [
            (says(Some(1), false), Chat, None, "kind = \"embedding\""),
            (says(Some(4), true), Chat, None, "kind = \"rerank\""),
            (says(Some(4), true), Embedding, None, "kind = \"rerank\""),
            (says(None, false), Embedding, None, "pooling ="),
            (says(Some(9), false), Embedding, None, "pooling ="),
            (says(Some(u64::MAX), false), Embedding, None, "pooling ="),
            (says(Some(1), false), Rerank, None, "made for reranking"),
            (says(Some(4), false), Rerank, None, "no layer"),
        ];
        for (gguf, kind, wish, words) in table {
            let said = refused(gguf, kind, wish);
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        assert!(Kind::ALL.iter().all(|kind| Kind::named(kind.name()) == Some(*kind)));
        assert!(Pooling::ALL.iter().all(|pooling| Pooling::named(pooling.name()) == Some(*pooling)));
        assert_eq!((Kind::named("completion"), Pooling::named("none")), (None, None));
    }
}
