//! From a tile's sums to its bytes: times a factor, plus an offset, plus what is added, rounded and cut.
//!
//! Every version does the same operations on each value in the same order, so all give the same bytes. There are as many of these
//! values as a tile has places, and each is made from a few hundred products only: done one by one they cost more than the products.

/// What turns a tile's sums into values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scaling<'a, const C: usize> {
    pub(super) factor: &'a [f32; C],
    pub(super) offset: &'a [f32; C],
    /// The map whose bytes are added, and what a step of theirs counts.
    pub(super) more: Option<(&'a [u8], f32)>,
    pub(super) flip: u8,
}

/// Makes the bytes of a tile and puts them where its pixels lie: `count` channels from `first` on of each.
pub(super) fn tile<const C: usize>(
    sums: &[i32],
    places: &[usize],
    (first, count): (usize, usize),
    scaling: &Scaling<'_, C>,
    to: &mut [u8],
) {
    #[cfg(target_arch = "aarch64")]
    if C == 8 && count == C {
        return arm::eights(sums, places, first, scaling, to);
    }
    for (sums, place) in sums.as_chunks::<C>().0.iter().zip(places) {
        let place = place + first;
        let more = scaling.more.map(|(map, step)| {
            let more = &map[place..place + count];
            (<&[u8; C]>::try_from(more).map_or_else(|_| filled(more, scaling.flip), |whole| *whole), step)
        });
        let bytes = bytes(sums, scaling, more);
        let out = &mut to[place..place + count];
        match <&mut [u8; C]>::try_from(&mut *out) {
            Ok(out) => *out = bytes,
            Err(_) => out.copy_from_slice(&bytes[..count]),
        }
    }
}

/// The bytes of `C` sums, 4, 8 or 16. Halves go to the even; what is no number becomes 0.
#[inline(always)]
fn bytes<const C: usize>(sums: &[i32; C], scaling: &Scaling<'_, C>, more: Option<([u8; C], f32)>) -> [u8; C] {
    // 1.5 * 2^23: a float of that size has no places behind the point, so that adding it rounds.
    const ROUNDER: f32 = 12_582_912.0;
    let mut values = [0.0f32; C];
    for k in 0..C {
        values[k] = sums[k] as f32 * scaling.factor[k] + scaling.offset[k];
    }
    if let Some((more, step)) = more {
        for k in 0..C {
            values[k] += f32::from(more[k] ^ scaling.flip) * step;
        }
    }
    #[expect(clippy::manual_clamp, reason = "`max` takes the number where the other is none, `clamp` does not")]
    std::array::from_fn(|k| (values[k].max(0.0).min(255.0) + ROUNDER).to_bits() as u8 ^ scaling.flip)
}

/// A tile's bytes where there are fewer than it has channels.
fn filled<const C: usize>(some: &[u8], filler: u8) -> [u8; C] {
    let mut whole = [filler; C];
    whole[..some.len()].copy_from_slice(some);
    whole
}

/// The same with NEON, which every 64-bit ARM processor has: the compiler does not find it by itself.
#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::{
        vaddq_f32, vcombine_u16, vcvtnq_u32_f32, vcvtq_f32_s32, vcvtq_f32_u32, vdup_n_u8, veor_u8, vget_high_u16,
        vget_low_u16, vld1_u8, vld1q_f32, vld1q_s32, vmovl_u8, vmovl_u16, vmulq_f32, vmulq_n_f32, vqmovn_u16,
        vqmovn_u32, vst1_u8,
    };

    use super::Scaling;

    /// Eight channels of each pixel.
    pub(super) fn eights<const C: usize>(
        sums: &[i32],
        places: &[usize],
        first: usize,
        scaling: &Scaling<'_, C>,
        to: &mut [u8],
    ) {
        const { assert!(C == 4 || C == 8, "the tiles of ARM") };
        assert!(C == 8 && sums.len() >= C * places.len(), "eight sums for each pixel");
        let end = places.iter().max().map_or(0, |last| last + first + C);
        assert!(end <= to.len() && scaling.more.is_none_or(|(map, _)| end <= map.len()), "pixels inside the maps");
        // SAFETY: NEON is there on every processor of this architecture. Of `factor` and `offset` eight numbers are read, which they
        // hold; of `sums` eight for each place; of `to` and of the map that is added eight bytes from each place plus `first` on,
        // the last of which lie before `end`.
        unsafe {
            let flip = vdup_n_u8(scaling.flip);
            let (factor, offset) = (scaling.factor.as_ptr(), scaling.offset.as_ptr());
            let factor = [vld1q_f32(factor), vld1q_f32(factor.add(4))];
            let offset = [vld1q_f32(offset), vld1q_f32(offset.add(4))];
            for (k, place) in places.iter().enumerate() {
                let (sums, at) = (sums.as_ptr().add(C * k), place + first);
                let value = |half: usize| {
                    let sums = vcvtq_f32_s32(vld1q_s32(sums.add(4 * half)));
                    vaddq_f32(vmulq_f32(sums, factor[half]), offset[half])
                };
                let (mut low, mut high) = (value(0), value(1));
                if let Some((map, step)) = scaling.more {
                    let more = vmovl_u8(veor_u8(vld1_u8(map.as_ptr().add(at)), flip));
                    low = vaddq_f32(low, vmulq_n_f32(vcvtq_f32_u32(vmovl_u16(vget_low_u16(more))), step));
                    high = vaddq_f32(high, vmulq_n_f32(vcvtq_f32_u32(vmovl_u16(vget_high_u16(more))), step));
                }
                // Rounds halves to the even and cuts at 0; the narrowing cuts at the other end.
                let narrow = |values| vqmovn_u32(vcvtnq_u32_f32(values));
                let bytes = vqmovn_u16(vcombine_u16(narrow(low), narrow(high)));
                vst1_u8(to.as_mut_ptr().add(at), veor_u8(bytes, flip));
            }
        }
    }
}
