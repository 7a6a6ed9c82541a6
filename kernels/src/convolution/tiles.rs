//! Sums of products for one tile: some pixels times some output channels. The only `unsafe` of the gate.
//!
//! Every kernel reads, for each of the tile's pixels, `rows` segments of `steps * 16` bytes, `row_stride` apart, and for each
//! segment the packed weights in the order of `pack.rs`. [`run`] checks once that all of it lies inside the slices; the
//! kernels rely on that and on nothing else.

use crate::{Path, pack::STEP};

/// Most sums that a tile has: pixels times channels.
pub(super) const LARGEST: usize = 192;
/// Most pixels that a tile has.
pub(super) const MOST_PIXELS: usize = 12;

/// How much a tile reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tile {
    /// Steps of 16 bytes in a row of the window.
    pub(super) steps: usize,
    /// Rows of the window.
    pub(super) rows: usize,
    /// Bytes from one row of the map to the next.
    pub(super) row_stride: usize,
}

/// Sums of a tile, pixel by pixel, each beginning at `start`.
pub(super) fn run(
    path: Path,
    tile: Tile,
    map: &[u8],
    places: &[usize; MOST_PIXELS],
    weights: &[i8],
    start: &[i32],
    sums: &mut [i32; LARGEST],
) {
    let (pixels, channels) = path.tile();
    let places = &places[..pixels];
    let reach = (tile.rows - 1) * tile.row_stride + tile.steps * STEP;
    let last = places.iter().max().copied().unwrap_or(0);
    assert!(last + reach <= map.len(), "a tile inside the map");
    assert_eq!(weights.len(), tile.rows * tile.steps * STEP * channels, "weights of the tile");
    assert_eq!(start.len(), channels, "a start for each channel");
    assert!(tile.steps > 0, "a window");
    match path {
        Path::Portable => portable(tile, map, places, weights, start, sums),
        #[cfg(target_arch = "x86_64")]
        Path::Avx512Vnni => {
            // SAFETY: a `Path` other than `Portable` comes from `Path::available`, which asked the processor; the slices were checked above.
            unsafe { x86::vnni(tile, map, places, weights, start, sums) }
        }
        #[cfg(target_arch = "aarch64")]
        Path::NeonDot => {
            // SAFETY: as above.
            unsafe { arm::dot(tile, map, places, weights, start, sums) }
        }
        #[cfg(target_arch = "aarch64")]
        Path::Neon => {
            // SAFETY: as above.
            unsafe { arm::plain(tile, map, places, weights, start, sums) }
        }
        #[allow(unreachable_patterns, reason = "the paths of other processors")]
        _ => unreachable!("a path of another processor"),
    }
}

fn portable(tile: Tile, map: &[u8], places: &[usize], weights: &[i8], start: &[i32], sums: &mut [i32; LARGEST]) {
    let channels = start.len();
    for (place, sums) in places.iter().zip(sums.chunks_exact_mut(channels)) {
        sums.copy_from_slice(start);
        let mut weights = weights.chunks_exact(STEP);
        for row in 0..tile.rows {
            for step in 0..tile.steps {
                let values = &map[place + row * tile.row_stride + step * STEP..][..STEP];
                for (sum, weights) in sums.iter_mut().zip(&mut weights) {
                    let products =
                        values.iter().zip(weights).map(|(value, weight)| i32::from(*value) * i32::from(*weight));
                    *sum += products.sum::<i32>();
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m512i, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_storeu_si512};

    use super::{LARGEST, STEP, Tile};

    const PIXELS: usize = 12;
    const CHANNELS: usize = 16;

    /// # Safety
    /// The processor has AVX-512 VNNI. `places` holds 12 places, from each of which the tile's rows lie in `map`; `weights` holds
    /// `rows * steps * 16 * 16` bytes and `start` 16 numbers.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) unsafe fn vnni(
        tile: Tile,
        map: &[u8],
        places: &[usize],
        weights: &[i8],
        start: &[i32],
        sums: &mut [i32; LARGEST],
    ) {
        // SAFETY: `start` holds 16 numbers.
        let first = unsafe { _mm512_loadu_si512(start.as_ptr().cast()) };
        let mut sum = [first; PIXELS];
        let mut weight = weights.as_ptr();
        let mut at: [*const u8; PIXELS] = std::array::from_fn(|k| map.as_ptr().wrapping_add(places[k]));
        for _ in 0..tile.rows {
            for quad in 0..tile.steps * STEP / 4 {
                // SAFETY: one load of 64 bytes for each four bytes of a segment: rows * steps * 4 of them are in `weights`.
                let w: __m512i = unsafe { _mm512_loadu_si512(weight.cast()) };
                weight = weight.wrapping_add(64);
                for k in 0..PIXELS {
                    // SAFETY: four bytes inside this row's segment, which lies in `map`.
                    let values = unsafe { at[k].add(4 * quad).cast::<i32>().read_unaligned() };
                    sum[k] = _mm512_dpbusd_epi32(sum[k], _mm512_set1_epi32(values), w);
                }
            }
            for place in &mut at {
                *place = place.wrapping_add(tile.row_stride);
            }
        }
        for (sum, out) in sum.iter().zip(sums.chunks_exact_mut(CHANNELS)) {
            // SAFETY: `out` has room for 16 numbers.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), *sum) };
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::{
        aarch64::{
            int32x4_t, vaddq_s32, vdupq_n_s32, vget_low_s8, vld1q_s8, vld1q_s32, vmlal_high_s8, vmull_s8, vpadalq_s16,
            vpaddq_s32, vst1q_s32,
        },
        asm,
    };

    use super::{LARGEST, STEP, Tile};

    /// Eight pixels times eight channels. Written out in assembly: the intrinsics of `sdot` are not stable yet.
    ///
    /// # Safety
    /// The processor has the dot product. `places` holds 8 places, from each of which the tile's rows lie in `map`; `weights`
    /// holds `rows * steps * 16 * 8` bytes and `start` 8 numbers.
    #[target_feature(enable = "neon,dotprod")]
    pub(super) unsafe fn dot(
        tile: Tile,
        map: &[u8],
        places: &[usize],
        weights: &[i8],
        start: &[i32],
        sums: &mut [i32; LARGEST],
    ) {
        let at = |k: usize| map.as_ptr().wrapping_add(places[k]);
        let skip = tile.row_stride.wrapping_sub(tile.steps * STEP);
        macro_rules! pixel {
            // Sums 2k and 2k + 1 of pixel k, whose bytes are in register 24 + k; weights in a pair of registers; bytes 4 * lane on.
            ($low:literal, $high:literal, $x:literal, $w0:literal, $w1:literal, $lane:literal) => {
                concat!(
                    "sdot v", $low, ".4s, v", $w0, ".16b, v", $x, ".4b[", $lane, "]\n", "sdot v", $high, ".4s, v", $w1,
                    ".16b, v", $x, ".4b[", $lane, "]\n"
                )
            };
        }
        macro_rules! lane {
            ($w0:literal, $w1:literal, $lane:literal) => {
                concat!(
                    pixel!("0", "1", "24", $w0, $w1, $lane),
                    pixel!("2", "3", "25", $w0, $w1, $lane),
                    pixel!("4", "5", "26", $w0, $w1, $lane),
                    pixel!("6", "7", "27", $w0, $w1, $lane),
                    pixel!("8", "9", "28", $w0, $w1, $lane),
                    pixel!("10", "11", "29", $w0, $w1, $lane),
                    pixel!("12", "13", "30", $w0, $w1, $lane),
                    pixel!("14", "15", "31", $w0, $w1, $lane)
                )
            };
        }
        // SAFETY: each step reads 16 bytes of each of the eight segments and 128 bytes of weights, which lie in `map` and `weights`;
        // 64 sums are written to `sums`, which has room for 192. Registers and flags that are changed are named.
        unsafe {
            asm!(
                "ldp q0, q1, [{start}]",
                "mov v2.16b, v0.16b", "mov v3.16b, v1.16b", "mov v4.16b, v0.16b", "mov v5.16b, v1.16b",
                "mov v6.16b, v0.16b", "mov v7.16b, v1.16b", "mov v8.16b, v0.16b", "mov v9.16b, v1.16b",
                "mov v10.16b, v0.16b", "mov v11.16b, v1.16b", "mov v12.16b, v0.16b", "mov v13.16b, v1.16b",
                "mov v14.16b, v0.16b", "mov v15.16b, v1.16b",
                "2:",
                "mov {left}, {steps}",
                "3:",
                "ldp q16, q17, [{w}], #32",
                "ldp q18, q19, [{w}], #32",
                "ldp q20, q21, [{w}], #32",
                "ldp q22, q23, [{w}], #32",
                "ldr q24, [{p0}], #16", "ldr q25, [{p1}], #16", "ldr q26, [{p2}], #16", "ldr q27, [{p3}], #16",
                "ldr q28, [{p4}], #16", "ldr q29, [{p5}], #16", "ldr q30, [{p6}], #16", "ldr q31, [{p7}], #16",
                lane!("16", "17", "0"),
                lane!("18", "19", "1"),
                lane!("20", "21", "2"),
                lane!("22", "23", "3"),
                "subs {left}, {left}, #1",
                "b.ne 3b",
                "add {p0}, {p0}, {skip}", "add {p1}, {p1}, {skip}", "add {p2}, {p2}, {skip}", "add {p3}, {p3}, {skip}",
                "add {p4}, {p4}, {skip}", "add {p5}, {p5}, {skip}", "add {p6}, {p6}, {skip}", "add {p7}, {p7}, {skip}",
                "subs {rows}, {rows}, #1",
                "b.ne 2b",
                "stp q0, q1, [{out}]", "stp q2, q3, [{out}, #32]", "stp q4, q5, [{out}, #64]", "stp q6, q7, [{out}, #96]",
                "stp q8, q9, [{out}, #128]", "stp q10, q11, [{out}, #160]", "stp q12, q13, [{out}, #192]", "stp q14, q15, [{out}, #224]",
                start = in(reg) start.as_ptr(),
                w = inout(reg) weights.as_ptr() => _,
                p0 = inout(reg) at(0) => _, p1 = inout(reg) at(1) => _, p2 = inout(reg) at(2) => _, p3 = inout(reg) at(3) => _,
                p4 = inout(reg) at(4) => _, p5 = inout(reg) at(5) => _, p6 = inout(reg) at(6) => _, p7 = inout(reg) at(7) => _,
                steps = in(reg) tile.steps,
                left = out(reg) _,
                rows = inout(reg) tile.rows => _,
                skip = in(reg) skip,
                out = in(reg) sums.as_mut_ptr(),
                out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
                out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
                out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
                out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
                options(nostack),
            );
        }
    }

    /// Four pixels times eight channels, four of them after the other four: products of bytes in pairs of 16 bits, which two of
    /// them never leave (2 * 127 * 128 < 32768), then added up in 32.
    ///
    /// # Safety
    /// `places` holds 4 places, from each of which the tile's rows lie in `map`; `weights` holds `rows * steps * 16 * 8` bytes
    /// and `start` 8 numbers.
    #[target_feature(enable = "neon")]
    pub(super) unsafe fn plain(
        tile: Tile,
        map: &[u8],
        places: &[usize],
        weights: &[i8],
        start: &[i32],
        sums: &mut [i32; LARGEST],
    ) {
        let mut weight = weights.as_ptr();
        for half in [0, 4] {
            let mut sum: [[int32x4_t; 4]; 4] = [[vdupq_n_s32(0); 4]; 4];
            let mut at: [*const u8; 4] = std::array::from_fn(|k| map.as_ptr().wrapping_add(places[k]));
            for _ in 0..tile.rows {
                for step in 0..tile.steps {
                    // SAFETY: 64 bytes of weights for each step of each half: 2 * rows * steps of them are in `weights`.
                    let w = unsafe {
                        [vld1q_s8(weight), vld1q_s8(weight.add(16)), vld1q_s8(weight.add(32)), vld1q_s8(weight.add(48))]
                    };
                    weight = weight.wrapping_add(64);
                    for (k, sum) in sum.iter_mut().enumerate() {
                        // SAFETY: 16 bytes inside this row's segment, which lies in `map`.
                        let x = unsafe { vld1q_s8(at[k].add(step * STEP).cast()) };
                        for (sum, w) in sum.iter_mut().zip(w) {
                            let low = vmull_s8(vget_low_s8(x), vget_low_s8(w));
                            *sum = vpadalq_s16(*sum, vmlal_high_s8(low, x, w));
                        }
                    }
                }
                for place in &mut at {
                    *place = place.wrapping_add(tile.row_stride);
                }
            }
            // SAFETY: `start` holds 8 numbers.
            let first = unsafe { vld1q_s32(start.as_ptr().add(half)) };
            for (sum, out) in sum.iter().zip(sums.chunks_exact_mut(8)) {
                let total = vpaddq_s32(vpaddq_s32(sum[0], sum[1]), vpaddq_s32(sum[2], sum[3]));
                // SAFETY: `out` has room for 8 numbers, 4 of them from `half` on.
                unsafe { vst1q_s32(out.as_mut_ptr().add(half), vaddq_s32(total, first)) };
            }
        }
    }
}
