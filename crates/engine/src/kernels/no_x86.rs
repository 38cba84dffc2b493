//! Stands in for `avx512`, `avx2` and `integer_matrix` on other architectures, whose processors never have these instructions.

pub(crate) mod integer_matrix {
    use crate::kernels::Then;

    /// As on x86-64.
    pub(crate) struct IntegerMatrix;

    /// As on x86-64.
    #[expect(dead_code, reason = "no kernel here reads it")]
    pub(crate) struct Epilogue<'a> {
        pub(crate) row_scales: &'a [f32],
        pub(crate) column_scales: &'a [f32],
        pub(crate) bias: &'a [f32],
        pub(crate) then: Then,
    }

    impl IntegerMatrix {
        pub(crate) fn columns(&self) -> usize {
            0
        }
    }
}

pub(crate) mod avx2 {
    use super::integer_matrix::{Epilogue, IntegerMatrix};

    /// It has no values.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Avx2 {}

    impl Avx2 {
        pub(crate) fn detect() -> Option<Self> {
            None
        }

        pub(crate) fn name(self) -> &'static str {
            match self {}
        }

        pub(crate) fn pack(self, _: &[i8], _: usize) -> IntegerMatrix {
            match self {}
        }

        pub(crate) fn multiply(self, _: &[u8], _: &IntegerMatrix, _: Epilogue<'_>, _: &mut [f32]) {
            match self {}
        }
    }
}

pub(crate) mod avx512 {
    use super::integer_matrix::{Epilogue, IntegerMatrix};

    /// It has no values.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Avx512 {}

    /// As on x86-64.
    pub(crate) struct HalfMatrix;

    /// As on x86-64.
    pub(crate) struct ByteHead;

    /// As on x86-64.
    #[derive(Default)]
    pub(crate) struct WeightBytes;

    /// As on x86-64.
    #[derive(Default)]
    pub(crate) struct AttentionMemory;

    impl Avx512 {
        pub(crate) fn detect() -> Option<Self> {
            None
        }

        pub(crate) fn pack(self, _: &[i8], _: usize) -> IntegerMatrix {
            match self {}
        }

        pub(crate) fn multiply(self, _: &[u8], _: &IntegerMatrix, _: Epilogue<'_>, _: &mut [f32]) {
            match self {}
        }

        pub(crate) fn integer_peak(self) -> f64 {
            match self {}
        }

        pub(crate) fn halve(self, _: &[f32], _: &mut [u16]) {
            match self {}
        }

        pub(crate) fn convolve(
            self,
            _: &[u16],
            _: usize,
            _: &HalfMatrix,
            _: &[f32],
            _: &mut [f32],
        ) {
            match self {}
        }

        pub(crate) fn attend(
            self,
            _: &[f32],
            _: usize,
            _: usize,
            _: &mut AttentionMemory,
            _: &mut [f32],
        ) {
            match self {}
        }

        pub(crate) fn pack_head(self, _: &[f32], _: usize, _: usize) -> ByteHead {
            match self {}
        }

        pub(crate) fn attend_to_bytes(
            self,
            _: &[f32],
            _: &ByteHead,
            _: &mut WeightBytes,
            _: &mut [f32],
            _: &mut [f32],
        ) {
            match self {}
        }
    }

    impl ByteHead {
        pub(crate) fn filled(&self) -> usize {
            0
        }
    }

    impl HalfMatrix {
        pub(crate) fn new(_: &[f32], _: usize) -> Self {
            Self
        }
    }
}
