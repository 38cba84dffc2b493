//! 8-bit matrices as the kernels for x86-64 read them, and how their sums become output. Used by `avx512` and `avx2`.

use super::{Then, ZERO};

/// Inputs that one instruction multiplies and adds.
pub(super) const GROUP: usize = 4;

/// A cache line. Panels begin at one, so that no load crosses two.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u8; 64]);

/// The bytes as lines; the last line is filled with zeros.
pub(super) fn lines(bytes: impl ExactSizeIterator<Item = u8>) -> Vec<Line> {
    let mut lines = vec![Line([0; 64]); bytes.len().div_ceil(64)];
    for (at, byte) in bytes.enumerate() {
        lines[at / 64].0[at % 64] = byte;
    }
    lines
}

/// A matrix in panels of columns: four inputs of each column beside each other, then the next four.
pub(crate) struct IntegerMatrix {
    pub(super) panels: Vec<Line>,
    /// The sum in each column for a row of zeros, each encoded as `ZERO`; a whole number of panels.
    pub(super) zeros: Vec<i32>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) panel_columns: usize,
}

/// How sums become output: `sum * row's scale * column's scale + bias`, then the function `then`.
#[derive(Clone, Copy)]
pub(crate) struct Epilogue<'a> {
    /// One for each row.
    pub(crate) row_scales: &'a [f32],
    /// One for each column; a whole number of panels.
    pub(crate) column_scales: &'a [f32],
    /// One for each column, like `column_scales`.
    pub(crate) bias: &'a [f32],
    pub(crate) then: Then,
}

impl IntegerMatrix {
    /// Packs `weights`, which have one row for each output. `inputs` is a multiple of 4, and `panel_columns` of 16.
    pub(super) fn new(weights: &[i8], inputs: usize, panel_columns: usize) -> Self {
        assert!(inputs.is_multiple_of(GROUP) && weights.len().is_multiple_of(inputs));
        assert!((panel_columns * GROUP).is_multiple_of(size_of::<Line>()));
        let outputs = weights.len() / inputs;
        let columns = outputs.next_multiple_of(panel_columns);
        let value = |column: usize, input: usize| {
            let row = weights.get(column * inputs..).unwrap_or_default();
            row.get(input).copied().unwrap_or_default()
        };

        let panel = panel_columns * inputs;
        let bytes = (0..columns * inputs).map(|at| {
            let (panel, place) = (at / panel, at % panel);
            let column = panel * panel_columns + place / GROUP % panel_columns;
            let input = place / (GROUP * panel_columns) * GROUP + place % GROUP;
            value(column, input).cast_unsigned()
        });
        let panels = lines(bytes);
        let sum = |column| -> i32 {
            let values = (0..inputs).map(|input| i32::from(value(column, input)));
            values.sum()
        };
        let zeros = (0..columns).map(|column| sum(column) * i32::from(ZERO));
        let zeros = zeros.collect();
        Self {
            panels,
            zeros,
            inputs,
            outputs,
            panel_columns,
        }
    }

    /// The number of columns, padding of the last panel included. As many scales and biases are
    /// needed.
    pub(crate) fn columns(&self) -> usize {
        self.zeros.len()
    }

    /// Asserts that all lengths fit each other. The unsafe code of the kernels relies on it.
    pub(super) fn assert_fits(
        &self,
        panel_columns: usize,
        rows: &[u8],
        epilogue: Epilogue<'_>,
        output: &[f32],
    ) {
        let count = epilogue.row_scales.len();
        assert_eq!(self.panel_columns, panel_columns);
        assert_eq!(rows.len(), count * self.inputs);
        assert_eq!(output.len(), count * self.outputs);
        assert_eq!(epilogue.column_scales.len(), self.columns());
        assert_eq!(epilogue.bias.len(), self.columns());
        assert_eq!(self.panels.len() * 64, self.columns() * self.inputs);
    }
}
