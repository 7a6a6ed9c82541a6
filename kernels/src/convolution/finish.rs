//! From a pixel's sums to its bytes: times a factor, plus an offset, plus what is added, rounded and cut.
//!
//! Every version does the same operations on each value in the same order, so all give the same bytes.

/// What turns a tile's sums into values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scaling<'a, const C: usize> {
    pub(super) factor: &'a [f32; C],
    pub(super) offset: &'a [f32; C],
    /// Stored bytes that are added, and what a step of theirs counts.
    pub(super) more: Option<([u8; C], f32)>,
    pub(super) flip: u8,
}

/// The bytes of `C` sums, 4, 8 or 16. Halves go to the even; what is no number becomes 0.
#[cfg(not(target_arch = "aarch64"))]
#[inline(always)]
pub(super) fn bytes<const C: usize>(sums: &[i32; C], scaling: Scaling<'_, C>) -> [u8; C] {
    // 1.5 * 2^23: a float of that size has no places behind the point, so that adding it rounds.
    const ROUNDER: f32 = 12_582_912.0;
    let mut values = [0.0f32; C];
    for k in 0..C {
        values[k] = sums[k] as f32 * scaling.factor[k] + scaling.offset[k];
    }
    if let Some((more, step)) = scaling.more {
        for k in 0..C {
            values[k] += f32::from(more[k] ^ scaling.flip) * step;
        }
    }
    #[expect(clippy::manual_clamp, reason = "`max` takes the number where the other is none, `clamp` does not")]
    std::array::from_fn(|k| (values[k].max(0.0).min(255.0) + ROUNDER).to_bits() as u8 ^ scaling.flip)
}

/// The same with NEON, which every 64-bit ARM processor has: the compiler does not find it by itself.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(super) fn bytes<const C: usize>(sums: &[i32; C], scaling: Scaling<'_, C>) -> [u8; C] {
    use std::arch::aarch64::{
        uint16x4_t, vaddq_f32, vcombine_u16, vcvtnq_u32_f32, vcvtq_f32_s32, vcvtq_f32_u32, vdup_n_u8, veor_u8,
        vget_low_u16, vld1_u8, vld1q_f32, vld1q_s32, vmovl_u8, vmovl_u16, vmulq_f32, vmulq_n_f32, vqmovn_u16,
        vqmovn_u32, vst1_u8,
    };
    const { assert!(C == 4 || C == 8, "the tiles of ARM") };
    let four = |from: usize| -> uint16x4_t {
        // SAFETY: four numbers from `from` on, which is 0 or, where there are eight, 4.
        let (sums, factor, offset) = unsafe {
            (
                vld1q_s32(sums.as_ptr().add(from)),
                vld1q_f32(scaling.factor.as_ptr().add(from)),
                vld1q_f32(scaling.offset.as_ptr().add(from)),
            )
        };
        // SAFETY: NEON is there on every processor of this architecture.
        unsafe {
            let mut values = vaddq_f32(vmulq_f32(vcvtq_f32_s32(sums), factor), offset);
            if let Some((more, step)) = &scaling.more {
                let mut eight = [0u8; 8];
                eight[..4].copy_from_slice(&more[from..from + 4]);
                let more = veor_u8(vld1_u8(eight.as_ptr()), vdup_n_u8(scaling.flip));
                let more = vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(more))));
                values = vaddq_f32(values, vmulq_n_f32(more, *step));
            }
            // Rounds halves to the even and cuts at 0; the narrowing cuts at the other end.
            vqmovn_u32(vcvtnq_u32_f32(values))
        }
    };
    let low = four(0);
    let high = if C == 8 { four(4) } else { low };
    let mut eight = [0u8; 8];
    // SAFETY: NEON is there on every processor of this architecture, and `eight` has room for eight bytes.
    unsafe { vst1_u8(eight.as_mut_ptr(), veor_u8(vqmovn_u16(vcombine_u16(low, high)), vdup_n_u8(scaling.flip))) };
    std::array::from_fn(|k| eight[k])
}
