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

/// What a tile's channels bring along.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights<'a> {
    /// In the order of `pack.rs`.
    pub(super) packed: &'a [i8],
    /// Where each channel's sum begins.
    pub(super) start: &'a [i32],
    /// `pack::room`: for each row of each of the groups of channels whose weights lie together.
    pub(super) room: &'a [u64],
}

/// Sums of a tile, pixel by pixel, each beginning at its channel's start.
pub(super) fn run(
    path: Path,
    tile: Tile,
    map: &[u8],
    places: &[usize; MOST_PIXELS],
    weights: Weights<'_>,
    sums: &mut [i32; LARGEST],
) {
    let Weights { packed: weights, start, room } = weights;
    let (pixels, channels) = path.tile();
    let places = &places[..pixels];
    let reach = (tile.rows - 1) * tile.row_stride + tile.steps * STEP;
    let last = places.iter().max().copied().unwrap_or(0);
    assert!(last + reach <= map.len(), "a tile inside the map");
    assert_eq!(weights.len(), tile.rows * tile.steps * STEP * channels, "weights of the tile");
    assert_eq!(start.len(), channels, "a start for each channel");
    assert_eq!(room.len(), channels / path.packed() * tile.rows, "room for each row");
    assert!(tile.steps > 0, "a window");
    match path {
        Path::Portable => portable(tile, map, places, weights, start, sums),
        #[cfg(target_arch = "x86_64")]
        Path::Avx512Vnni => {
            // SAFETY: a `Path` other than `Portable` comes from `Path::available`, which asked the processor; the slices were checked above.
            unsafe { x86::vnni(tile, map, places, weights, start, sums) }
        }
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 => {
            // SAFETY: as above.
            unsafe { x86::avx2(tile, map, places, weights, start, sums) }
        }
        #[cfg(target_arch = "aarch64")]
        Path::NeonDot => {
            // SAFETY: as above.
            unsafe { arm::dot(tile, map, places, weights, start, sums) }
        }
        #[cfg(target_arch = "aarch64")]
        Path::Neon => {
            // SAFETY: as above.
            unsafe { arm::plain(tile, map, places, weights, (start, room), sums) }
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
    use std::arch::x86_64::{
        __m256i, __m512i, _mm_set1_epi32, _mm256_add_epi32, _mm256_castsi256_si128, _mm256_cvtepi8_epi16,
        _mm256_cvtepu8_epi16, _mm256_extracti128_si256, _mm256_hadd_epi32, _mm256_loadu_si256, _mm256_madd_epi16,
        _mm256_permute4x64_epi64, _mm256_setzero_si256, _mm256_storeu_si256, _mm512_dpbusd_epi32, _mm512_loadu_si512,
        _mm512_set1_epi32, _mm512_storeu_si512,
    };

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

    /// Pixels and channels of a tile of AVX2: twelve registers of sums, two of weights, one of values.
    const PIXELS_AVX2: usize = 6;
    const CHANNELS_AVX2: usize = 8;

    /// Products of bytes widened to 16 bits: exact, where the byte products of AVX2 (`vpmaddubsw`) stop at 32767.
    ///
    /// # Safety
    /// The processor has AVX2. `places` holds 6 places, from each of which the tile's rows lie in `map`; `weights` holds
    /// `rows * steps * 16 * 8` bytes and `start` 8 numbers.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn avx2(
        tile: Tile,
        map: &[u8],
        places: &[usize],
        weights: &[i8],
        start: &[i32],
        sums: &mut [i32; LARGEST],
    ) {
        // Of each pixel two sums for each channel: of the first two products of every four, and of the others.
        let mut sum = [[_mm256_setzero_si256(); 2]; PIXELS_AVX2];
        let mut weight = weights.as_ptr();
        let mut at: [*const u8; PIXELS_AVX2] = std::array::from_fn(|k| map.as_ptr().wrapping_add(places[k]));
        for _ in 0..tile.rows {
            for quad in 0..tile.steps * STEP / 4 {
                // SAFETY: one load of 32 bytes for each four bytes of a segment: rows * steps * 4 of them are in `weights`.
                let w: __m256i = unsafe { _mm256_loadu_si256(weight.cast()) };
                weight = weight.wrapping_add(32);
                let low = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(w));
                let high = _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(w));
                for k in 0..PIXELS_AVX2 {
                    // SAFETY: four bytes inside this row's segment, which lies in `map`.
                    let values = unsafe { at[k].add(4 * quad).cast::<i32>().read_unaligned() };
                    let values = _mm256_cvtepu8_epi16(_mm_set1_epi32(values));
                    sum[k][0] = _mm256_add_epi32(sum[k][0], _mm256_madd_epi16(low, values));
                    sum[k][1] = _mm256_add_epi32(sum[k][1], _mm256_madd_epi16(high, values));
                }
            }
            for place in &mut at {
                *place = place.wrapping_add(tile.row_stride);
            }
        }
        // SAFETY: `start` holds 8 numbers.
        let first = unsafe { _mm256_loadu_si256(start.as_ptr().cast()) };
        for ([low, high], out) in sum.into_iter().zip(sums.chunks_exact_mut(CHANNELS_AVX2)) {
            // Channels 0, 1, 4, 5 and 2, 3, 6, 7: the middle pairs change places.
            let both = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(low, high));
            // SAFETY: `out` has room for 8 numbers.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm256_add_epi32(first, both)) };
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::asm;

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

    /// Eight pixels times eight channels, in four parts of four times four. Products of bytes are added up in 16 bits, two of
    /// which always have room there (2 * 127 * 128 < 32768); four have where the weights allow it ([`crate::pack::room`]), and then
    /// half of the additions in 32 bits are left out.
    ///
    /// # Safety
    /// `places` holds 8 places, from each of which the tile's rows lie in `map`; `weights` holds `rows * steps * 16 * 8` bytes,
    /// `start` 8 numbers and `room` twice `rows`.
    #[target_feature(enable = "neon")]
    pub(super) unsafe fn plain(
        tile: Tile,
        map: &[u8],
        places: &[usize],
        weights: &[i8],
        (start, room): (&[i32], &[u64]),
        sums: &mut [i32; LARGEST],
    ) {
        let skip = tile.row_stride.wrapping_sub(tile.steps * STEP);
        macro_rules! each {
            // Of the four channels: what is done with bytes `x` and the channel's weights in registers `a` to `d`.
            ($op:literal, $half:literal, $x:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
                concat!(
                    $op,
                    " v24.8h, v",
                    $x,
                    ".",
                    $half,
                    ", v",
                    $a,
                    ".",
                    $half,
                    "\n",
                    $op,
                    " v25.8h, v",
                    $x,
                    ".",
                    $half,
                    ", v",
                    $b,
                    ".",
                    $half,
                    "\n",
                    $op,
                    " v26.8h, v",
                    $x,
                    ".",
                    $half,
                    ", v",
                    $c,
                    ".",
                    $half,
                    "\n",
                    $op,
                    " v27.8h, v",
                    $x,
                    ".",
                    $half,
                    ", v",
                    $d,
                    ".",
                    $half,
                    "\n"
                )
            };
        }
        macro_rules! add {
            // To the sums of a pixel.
            ($a:literal, $b:literal, $c:literal, $d:literal) => {
                concat!(
                    "sadalp v",
                    $a,
                    ".4s, v24.8h\nsadalp v",
                    $b,
                    ".4s, v25.8h\nsadalp v",
                    $c,
                    ".4s, v26.8h\nsadalp v",
                    $d,
                    ".4s, v27.8h\n"
                )
            };
        }
        // Of 16 bytes `x`: products that sums of 16 bits begin with, and products that go on with them.
        macro_rules! first {
            ($x:literal, $($w:literal),*) => {
                concat!(each!("smull", "8b", $x, $($w),*), each!("smlal2", "16b", $x, $($w),*))
            };
        }
        macro_rules! more {
            ($x:literal, $($w:literal),*) => {
                concat!(each!("smlal", "8b", $x, $($w),*), each!("smlal2", "16b", $x, $($w),*))
            };
        }
        macro_rules! one {
            // A step of a pixel.
            ($p:literal, $($sum:literal),*) => {
                concat!("ldr q28, [{", $p, "}], #16\n", first!("28", "16", "17", "18", "19"), add!($($sum),*))
            };
        }
        macro_rules! two {
            // Two steps, added up after each of them.
            ($p:literal, $($sum:literal),*) => {
                concat!(
                    "ldp q28, q29, [{", $p, "}], #32\n",
                    first!("28", "16", "17", "18", "19"), add!($($sum),*),
                    first!("29", "20", "21", "22", "23"), add!($($sum),*)
                )
            };
        }
        macro_rules! joined {
            // Two steps, added up once.
            ($p:literal, $($sum:literal),*) => {
                concat!(
                    "ldp q28, q29, [{", $p, "}], #32\n",
                    first!("28", "16", "17", "18", "19"), more!("29", "20", "21", "22", "23"), add!($($sum),*)
                )
            };
        }
        macro_rules! pixels {
            ($what:ident) => {
                concat!(
                    $what!("p0", "0", "1", "2", "3"),
                    $what!("p1", "4", "5", "6", "7"),
                    $what!("p2", "8", "9", "10", "11"),
                    $what!("p3", "12", "13", "14", "15")
                )
            };
        }
        macro_rules! total {
            ($a:literal, $b:literal, $c:literal, $d:literal, $at:literal) => {
                concat!(
                    "addp v",
                    $a,
                    ".4s, v",
                    $a,
                    ".4s, v",
                    $b,
                    ".4s\naddp v",
                    $c,
                    ".4s, v",
                    $c,
                    ".4s, v",
                    $d,
                    ".4s\naddp v",
                    $a,
                    ".4s, v",
                    $a,
                    ".4s, v",
                    $c,
                    ".4s\nadd v",
                    $a,
                    ".4s, v",
                    $a,
                    ".4s, v16.4s\nstr q",
                    $a,
                    ", [{out}, #",
                    $at,
                    "]\n"
                )
            };
        }
        let half = tile.rows * tile.steps * STEP * 4;
        for (pixel, channel) in [(0, 0), (0, 4), (4, 0), (4, 4)] {
            let at = |k: usize| map.as_ptr().wrapping_add(places[pixel + k]);
            let second = channel / 4;
            // SAFETY: each step reads 16 bytes of each of the four segments and 64 bytes of weights, half of which lie in either half
            // of `weights`; each row reads one number of its half of `room`; four of the numbers of `start` are read, and four sums of
            // four pixels written, 8 to a pixel. Registers and flags that are changed are named.
            unsafe {
                asm!(
                    "movi v0.2d, #0", "movi v1.2d, #0", "movi v2.2d, #0", "movi v3.2d, #0", "movi v4.2d, #0", "movi v5.2d, #0",
                    "movi v6.2d, #0", "movi v7.2d, #0", "movi v8.2d, #0", "movi v9.2d, #0", "movi v10.2d, #0", "movi v11.2d, #0",
                    "movi v12.2d, #0", "movi v13.2d, #0", "movi v14.2d, #0", "movi v15.2d, #0",
                    "2:",
                    "ldr {roomy}, [{room}], #8",
                    "lsr {left}, {steps}, #1",
                    "cbz {left}, 5f",
                    "3:",
                    "ldp q16, q17, [{w}], #32",
                    "ldp q18, q19, [{w}], #32",
                    "ldp q20, q21, [{w}], #32",
                    "ldp q22, q23, [{w}], #32",
                    "tbz {roomy}, #0, 4f",
                    pixels!(joined),
                    "lsr {roomy}, {roomy}, #1",
                    "subs {left}, {left}, #1",
                    "b.ne 3b",
                    "b 5f",
                    "4:",
                    pixels!(two),
                    "lsr {roomy}, {roomy}, #1",
                    "subs {left}, {left}, #1",
                    "b.ne 3b",
                    "5:",
                    "tbz {steps}, #0, 6f",
                    "ldp q16, q17, [{w}], #32",
                    "ldp q18, q19, [{w}], #32",
                    pixels!(one),
                    "6:",
                    "add {p0}, {p0}, {skip}", "add {p1}, {p1}, {skip}", "add {p2}, {p2}, {skip}", "add {p3}, {p3}, {skip}",
                    "subs {rows}, {rows}, #1",
                    "b.ne 2b",
                    "ldr q16, [{start}]",
                    total!("0", "1", "2", "3", "0"),
                    total!("4", "5", "6", "7", "32"),
                    total!("8", "9", "10", "11", "64"),
                    total!("12", "13", "14", "15", "96"),
                    start = in(reg) start.as_ptr().wrapping_add(channel),
                    room = inout(reg) room.as_ptr().wrapping_add(second * tile.rows) => _,
                    roomy = out(reg) _,
                    w = inout(reg) weights.as_ptr().wrapping_add(second * half) => _,
                    p0 = inout(reg) at(0) => _, p1 = inout(reg) at(1) => _, p2 = inout(reg) at(2) => _, p3 = inout(reg) at(3) => _,
                    steps = in(reg) tile.steps,
                    left = out(reg) _,
                    rows = inout(reg) tile.rows => _,
                    skip = in(reg) skip,
                    out = in(reg) sums.as_mut_ptr().wrapping_add(8 * pixel + channel),
                    out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
                    out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
                    out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
                    out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _,
                    options(nostack),
                );
            }
        }
    }
}
