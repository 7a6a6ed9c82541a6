//! The ways in which a processor can multiply bytes.

use std::fmt;

/// How the sums of products are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// Plain Rust. The reference for the others, and slower than float kernels: not worth choosing.
    Portable,
    /// `vpdpbusd` of AVX-512: 64 products in an instruction. Desktop and server processors.
    Avx512Vnni,
    /// `vpmaddwd` of AVX2 on bytes widened to 16 bits: 16 products in an instruction. Desktop processors of the last ten years.
    Avx2,
    /// `sdot`: 16 products in an instruction. Cortex-A55, A76 (Raspberry Pi 5) and later.
    NeonDot,
    /// `smull`, `smlal` and `sadalp`: 16 products in three, or 32 in five. Cortex-A53 and A72 (Raspberry Pi 3 and 4).
    Neon,
}

impl Path {
    /// The fastest way that this processor knows, if it knows one that beats float kernels.
    #[must_use]
    pub fn best() -> Option<Self> {
        Self::available().into_iter().find(|path| *path != Self::Portable)
    }

    /// All ways that this processor knows, fastest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
            found.push(Self::Avx512Vnni);
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            found.push(Self::Avx2);
        }
        #[cfg(target_arch = "aarch64")]
        {
            if std::arch::is_aarch64_feature_detected!("dotprod") {
                found.push(Self::NeonDot);
            }
            found.push(Self::Neon);
        }
        found.push(Self::Portable);
        found
    }

    /// Pixels and output channels of one tile.
    pub(crate) const fn tile(self) -> (usize, usize) {
        match self {
            Self::Portable => (4, 4),
            Self::Avx512Vnni => (12, 16),
            Self::Avx2 => (6, 8),
            Self::NeonDot | Self::Neon => (8, 8),
        }
    }

    /// Output channels whose weights lie together: a tile of NEON without dot product is done in parts of four channels.
    pub(crate) const fn packed(self) -> usize {
        match self {
            Self::Neon => 4,
            Self::Portable | Self::Avx512Vnni | Self::Avx2 | Self::NeonDot => self.tile().1,
        }
    }

    /// What a stored byte is XORed with: ARM multiplies signed bytes with signed ones, so 128 is taken off every activation there
    /// and put back into the sum.
    pub(crate) const fn flip(self) -> u8 {
        match self {
            Self::Portable | Self::Avx512Vnni | Self::Avx2 => 0,
            Self::NeonDot | Self::Neon => 0x80,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable integers",
            Self::Avx512Vnni => "integers by AVX-512 VNNI",
            Self::Avx2 => "integers by AVX2",
            Self::NeonDot => "integers by NEON with dot product",
            Self::Neon => "integers by NEON",
        })
    }
}
