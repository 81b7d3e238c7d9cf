//! Spoils a model file: bits, cuts, numbers, lengths and texts, each where it hurts.

use std::ops::Range;

use crate::Dice;

/// Numbers that programs trip over.
const EDGES: [u64; 10] =
    [0, 1, 2, 255, 1 << 16, (1 << 31) - 1, 1 << 31, u32::MAX as u64, i64::MAX as u64, u64::MAX];

/// What a file's head holds, by the places of its parts.
pub(super) struct Spoiler {
    whole: Vec<u8>,
    /// Everything before the weights.
    head: Range<usize>,
    /// Values of metadata, single and in arrays.
    values: Vec<Range<usize>>,
    /// Lengths of texts and arrays.
    lengths: Vec<usize>,
    /// Texts: names, words, the template.
    texts: Vec<Range<usize>>,
    /// Dimensions, kinds and offsets of tensors.
    tensors: Vec<Range<usize>>,
}

impl Spoiler {
    pub(super) fn new(whole: Vec<u8>) -> Spoiler {
        let mut map =
            Map { bytes: &whole, at: 8, values: vec![], lengths: vec![], texts: vec![], tensors: vec![] };
        map.head();
        let Map { at, values, lengths, texts, tensors, .. } = map;
        Spoiler { head: 0..at, values, lengths, texts, tensors, whole }
    }

    /// Another bad file for each number.
    pub(super) fn file(&self, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.whole.clone();
        match dice.between(0, 9) {
            0 => return self.cut(dice),
            1 => flip(&mut bytes, self.head.clone(), dice.between(1, 8), dice),
            2 => flip(&mut bytes, self.head.end..self.whole.len(), dice.between(1, 4096), dice),
            3 => copy_within(&mut bytes, &self.head, dice),
            4 => {
                let text = dice.pick(&self.texts).clone();
                text.for_each(|at| bytes[at] = dice.draw() as u8);
            }
            5 => {
                let at = *dice.pick(&self.lengths);
                overwrite(&mut bytes, at..at + 8, dice);
            }
            6 | 7 => overwrite(&mut bytes, dice.pick(&self.tensors).clone(), dice),
            // The single values first: they are what the model is built by, and few.
            _ => {
                let single = &self.values[..24.min(self.values.len())];
                for _ in 0..dice.between(1, 3) {
                    let values = if dice.one_in(4) { &self.values } else { single };
                    overwrite(&mut bytes, dice.pick(values).clone(), dice);
                }
            }
        }
        bytes
    }

    /// Cut off, and now and then filled up with zeros to its old length.
    fn cut(&self, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.whole[..dice.between(0, self.whole.len() - 1)].to_vec();
        if dice.one_in(2) {
            bytes.resize(self.whole.len(), 0);
        }
        bytes
    }
}

fn flip(bytes: &mut [u8], within: Range<usize>, count: usize, dice: &mut Dice) {
    for _ in 0..count {
        bytes[dice.between(within.start, within.end - 1)] ^= 1 << dice.between(0, 7);
    }
}

fn overwrite(bytes: &mut [u8], place: Range<usize>, dice: &mut Dice) {
    let number = match dice.between(0, 3) {
        0 => dice.draw(),
        1 => dice.between(0, 4096) as u64,
        _ => *dice.pick(&EDGES),
    };
    let width = place.len().min(8);
    bytes[place][..width].copy_from_slice(&number.to_le_bytes()[..width]);
}

fn copy_within(bytes: &mut [u8], head: &Range<usize>, dice: &mut Dice) {
    let length = dice.between(1, 64);
    let [from, to] = [(); 2].map(|()| dice.between(4, head.end - length - 1));
    bytes.copy_within(from..from + length, to);
}

/// Walks through the head of a good file.
struct Map<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Range<usize>>,
    lengths: Vec<usize>,
    texts: Vec<Range<usize>>,
    tensors: Vec<Range<usize>>,
}

impl Map<'_> {
    fn head(&mut self) {
        let (tensors, entries) = (self.number(8), self.number(8));
        let mut in_arrays = Vec::new();
        for _ in 0..entries {
            self.text();
            match self.number(4) {
                8 => self.text(),
                9 => {
                    let kind = self.number(4);
                    self.lengths.push(self.at);
                    for _ in 0..self.number(8) {
                        if kind == 8 { self.text() } else { in_arrays.push(self.value(kind)) }
                    }
                }
                kind => {
                    let value = self.value(kind);
                    self.values.push(value);
                }
            }
        }
        self.values.extend(in_arrays);
        for _ in 0..tensors {
            self.text();
            let from = self.at;
            for _ in 0..self.number(4) {
                self.tensors.push(self.at..self.at + 8);
                self.at += 8;
            }
            self.tensors.extend([from..from + 4, self.at..self.at + 4, self.at + 4..self.at + 12]);
            self.at += 12;
        }
    }

    fn text(&mut self) {
        self.lengths.push(self.at);
        let length = self.number(8) as usize;
        self.texts.push(self.at..self.at + length);
        self.at += length;
    }

    fn value(&mut self, kind: u64) -> Range<usize> {
        let from = self.at;
        self.at += match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            10..=12 => 8,
            _ => 4,
        };
        from..self.at
    }

    fn number(&mut self, width: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(&self.bytes[self.at..self.at + width]);
        self.at += width;
        u64::from_le_bytes(bytes)
    }
}
