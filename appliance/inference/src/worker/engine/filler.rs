//! Rows of nobody, which fill a step up to a whole block: a step of fifteen rows takes longer than one of sixteen where
//! llama.cpp computes rows in blocks.

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;

use super::put;
use crate::worker::WorkerError;

/// A sequence of the context that is nobody's, and empty between two steps.
pub(super) struct Filler {
    /// `None` where the model's memory does not take rows of a sequence that is cut off again.
    slot: Option<i32>,
    /// Cells that nobody needs.
    spare: u32,
}

impl Filler {
    pub(super) fn new(slot: Option<i32>) -> Filler {
        Filler { slot, spare: 0 }
    }

    /// Tells how many cells nobody needs during the next step.
    pub(super) fn may_use(&mut self, cells: u32) {
        self.spare = cells;
    }

    /// Puts so many rows into the batch, or none where there is no room for them. Gives how many.
    ///
    /// # Errors
    /// A token that llama.cpp does not take.
    pub(super) fn fill(&self, batch: &mut LlamaBatch<'_>, rows: usize) -> Result<usize, WorkerError> {
        let Some(slot) = self.slot.filter(|_| rows <= self.spare as usize) else { return Ok(0) };
        for position in 0..rows {
            put(batch, 0, position as i32, slot, false)?;
        }
        Ok(rows)
    }

    /// Forgets the rows of a step.
    pub(super) fn clear(&self, context: &mut LlamaContext<'_>) {
        if let Some(slot) = self.slot {
            let _ = context.clear_kv_cache_seq(Some(slot as u32), None, None);
        }
    }
}
