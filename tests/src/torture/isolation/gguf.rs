//! Writes a small GGUF file of 32-bit floats, as `docs/gguf.md` of the ggml project describes it.

const VERSION: u32 = 3;
const ALIGNMENT: usize = 32;

/// The kinds of values that are written.
const U32: u32 = 4;
const I32: u32 = 5;
const F32: u32 = 6;
const BOOL: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// Rows of numbers, each as long as what it is multiplied with.
pub(super) struct Matrix {
    columns: usize,
    numbers: Vec<f32>,
}

impl Matrix {
    /// All zero.
    pub(super) fn new(rows: usize, columns: usize) -> Matrix {
        Matrix { columns, numbers: vec![0.0; rows * columns] }
    }

    pub(super) fn set(&mut self, row: usize, column: usize, number: f64) {
        self.numbers[row * self.columns + column] = number as f32;
    }
}

/// A file that is being put together.
#[derive(Default)]
pub(super) struct Gguf {
    entries: u64,
    metadata: Vec<u8>,
    tensors: u64,
    table: Vec<u8>,
    data: Vec<u8>,
}

impl Gguf {
    pub(super) fn text(&mut self, key: &str, text: &str) {
        self.entry(key, STRING);
        string(&mut self.metadata, text);
    }

    pub(super) fn number(&mut self, key: &str, number: usize) {
        self.entry(key, U32);
        self.metadata.extend((number as u32).to_le_bytes());
    }

    pub(super) fn float(&mut self, key: &str, number: f32) {
        self.entry(key, F32);
        self.metadata.extend(number.to_le_bytes());
    }

    pub(super) fn truth(&mut self, key: &str, truth: bool) {
        self.entry(key, BOOL);
        self.metadata.push(truth.into());
    }

    pub(super) fn texts(&mut self, key: &str, texts: &[String]) {
        self.array(key, STRING, texts.len());
        texts.iter().for_each(|text| string(&mut self.metadata, text));
    }

    pub(super) fn numbers(&mut self, key: &str, numbers: &[i32]) {
        self.array(key, I32, numbers.len());
        self.metadata.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }

    pub(super) fn matrix(&mut self, name: &str, matrix: &Matrix) {
        let rows = matrix.numbers.len() / matrix.columns;
        self.tensor(name, &[matrix.columns, rows], &matrix.numbers);
    }

    pub(super) fn vector(&mut self, name: &str, numbers: &[f32]) {
        self.tensor(name, &[numbers.len()], numbers);
    }

    /// The whole file.
    pub(super) fn bytes(self) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(VERSION.to_le_bytes());
        file.extend(self.tensors.to_le_bytes());
        file.extend(self.entries.to_le_bytes());
        file.extend(self.metadata);
        file.extend(self.table);
        align(&mut file);
        file.extend(self.data);
        file
    }

    fn entry(&mut self, key: &str, kind: u32) {
        self.entries += 1;
        string(&mut self.metadata, key);
        self.metadata.extend(kind.to_le_bytes());
    }

    fn array(&mut self, key: &str, kind: u32, length: usize) {
        self.entry(key, ARRAY);
        self.metadata.extend(kind.to_le_bytes());
        self.metadata.extend((length as u64).to_le_bytes());
    }

    fn tensor(&mut self, name: &str, dimensions: &[usize], numbers: &[f32]) {
        self.tensors += 1;
        string(&mut self.table, name);
        self.table.extend((dimensions.len() as u32).to_le_bytes());
        self.table.extend(dimensions.iter().flat_map(|length| (*length as u64).to_le_bytes()));
        // The kind of 32-bit floats is 0.
        self.table.extend(0_u32.to_le_bytes());
        self.table.extend((self.data.len() as u64).to_le_bytes());
        self.data.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        align(&mut self.data);
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn align(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
}
