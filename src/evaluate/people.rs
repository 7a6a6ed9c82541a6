//! Who counts once: identical and near-identical pictures, and pictures of one person where the labels name one.
//!
//! Eight pictures listed sixty times are eight people, and no bound may rest on more. Pictures are compared as small grey
//! thumbnails; two whose correlation is above 0.97 are one, as in `models/train/common.py`.

use std::collections::HashMap;

use image::RgbImage;
use rayon::prelude::*;

use super::statistics::{Interval, share_of_weight};

/// Side of a thumbnail, pixels.
const SIDE: usize = 24;
/// Correlation above which two thumbnails show one photo.
const SAME: f32 = 0.97;
/// Thumbnails are first compared in squares of so many pixels a side.
const SQUARE: usize = 4;
const COARSE: usize = SIDE / SQUARE * (SIDE / SQUARE);

/// A small grey picture.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Thumbnail(Box<[u8; SIDE * SIDE]>);

impl Thumbnail {
    /// Reduces a picture: the mean brightness of each of 24 by 24 equal parts.
    #[must_use]
    pub fn of(picture: &RgbImage) -> Self {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let mut out = Box::new([0u8; SIDE * SIDE]);
        if width == 0 || height == 0 {
            return Self(out);
        }
        let (columns, rows) = (parts(width), parts(height));
        let raw = picture.as_raw();
        // First each row into 24 columns, then the rows together.
        let mut sums = vec![[0.0f32; SIDE]; height];
        for (y, sum) in sums.iter_mut().enumerate() {
            let row = &raw[y * width * 3..][..width * 3];
            for (cell, total) in sum.iter_mut().enumerate() {
                *total = columns[cell]
                    .iter()
                    .map(|(x, share)| {
                        let p = &row[x * 3..][..3];
                        share * (0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]))
                    })
                    .sum();
            }
        }
        for (cell_y, row) in rows.iter().enumerate() {
            for cell_x in 0..SIDE {
                let value: f32 = row.iter().map(|(y, share)| share * sums[*y][cell_x]).sum();
                out[cell_y * SIDE + cell_x] = value.round().clamp(0.0, 255.0) as u8;
            }
        }
        Self(out)
    }

    /// Less its mean, at length 1; zeros for a picture of one colour.
    fn unit(&self) -> [f32; SIDE * SIDE] {
        let mean = self.0.iter().map(|v| f32::from(*v)).sum::<f32>() / self.0.len() as f32;
        let centred = self.0.map(|v| f32::from(v) - mean);
        let length = centred.iter().map(|v| v * v).sum::<f32>().sqrt();
        if length < 1e-3 { [0.0; SIDE * SIDE] } else { centred.map(|v| v / length) }
    }
}

/// For each of 24 equal parts of a line: pixels and the shares of them, summing to 1.
fn parts(length: usize) -> Vec<Vec<(usize, f32)>> {
    let step = length as f32 / SIDE as f32;
    (0..SIDE)
        .map(|cell| {
            let (from, to) = (cell as f32 * step, (cell + 1) as f32 * step);
            (from.floor() as usize..(to.ceil() as usize).min(length))
                .map(|k| (k, ((to.min((k + 1) as f32) - from.max(k as f32)) / step).max(0.0)))
                .collect()
        })
        .collect()
}

/// The means of squares of a unit thumbnail, scaled so that no distance grows: what is far apart here is so in full.
fn coarse(unit: &[f32; SIDE * SIDE]) -> [f32; COARSE] {
    let mut out = [0.0; COARSE];
    for (k, v) in unit.iter().enumerate() {
        let (x, y) = (k % SIDE / SQUARE, k / SIDE / SQUARE);
        out[y * (SIDE / SQUARE) + x] += v / SQUARE as f32;
    }
    out
}

/// The number of the person of each picture, in the order given: the same for pictures that count once.
///
/// A name in the labels means the same person in every source. Pictures that look the same are one person whatever the
/// labels say.
#[must_use]
pub fn people(pictures: &[(Option<&str>, &Thumbnail)]) -> Vec<usize> {
    let mut sets = Sets((0..pictures.len()).collect());
    let (mut names, mut looks): (HashMap<&str, usize>, HashMap<&Thumbnail, usize>) = (HashMap::new(), HashMap::new());
    for (k, (name, thumbnail)) in pictures.iter().enumerate() {
        if let Some(name) = name {
            sets.join(k, *names.entry(name).or_insert(k));
        }
        sets.join(k, *looks.entry(thumbnail).or_insert(k));
    }
    let mut distinct: Vec<usize> = looks.into_values().collect();
    distinct.sort_unstable();
    let units: Vec<[f32; SIDE * SIDE]> = distinct.par_iter().map(|k| pictures[*k].1.unit()).collect();
    let rough: Vec<[f32; COARSE]> = units.par_iter().map(coarse).collect();
    // Of unit vectors: |a - b|^2 = 2 - 2 correlation, in the squares at most that.
    let reach = 2.0 - 2.0 * SAME;
    let pairs: Vec<(usize, usize)> = (0..distinct.len())
        .into_par_iter()
        .flat_map_iter(|i| {
            let (a, fine) = (&rough[i], &units[i]);
            let near = |j: &usize| squared_distance(a, &rough[*j]) < reach;
            let same = |j: &usize| fine.iter().zip(&units[*j]).map(|(x, y)| x * y).sum::<f32>() > SAME;
            (i + 1..distinct.len()).filter(near).filter(same).map(|j| (i, j)).collect::<Vec<_>>()
        })
        .collect();
    for (i, j) in pairs {
        sets.join(distinct[i], distinct[j]);
    }
    (0..pictures.len()).map(|k| sets.first(k)).collect()
}

fn squared_distance(a: &[f32; COARSE], b: &[f32; COARSE]) -> f32 {
    // Four sums side by side, which the compiler turns into one of vectors.
    let mut sums = [0.0f32; 4];
    for (x, y) in a.chunks_exact(4).zip(b.chunks_exact(4)) {
        for k in 0..4 {
            sums[k] += (x[k] - y[k]) * (x[k] - y[k]);
        }
    }
    sums.iter().sum()
}

/// Disjoint sets by their first member.
struct Sets(Vec<usize>);

impl Sets {
    fn first(&mut self, mut k: usize) -> usize {
        while self.0[k] != k {
            self.0[k] = self.0[self.0[k]];
            k = self.0[k];
        }
        k
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first(a), self.first(b));
        self.0[a.max(b)] = a.min(b);
    }
}

/// The values of each person's pictures as their mean, in the order in which the people came.
#[must_use]
pub fn person_means(values: impl IntoIterator<Item = (usize, f64)>) -> Vec<f64> {
    let mut order: Vec<(f64, usize)> = Vec::new();
    let mut places: HashMap<usize, usize> = HashMap::new();
    for (person, value) in values {
        let place = *places.entry(person).or_insert_with(|| {
            order.push((0.0, 0));
            order.len() - 1
        });
        order[place].0 += value;
        order[place].1 += 1;
    }
    order.into_iter().map(|(sum, count)| sum / count as f64).collect()
}

/// Number of people.
#[must_use]
pub fn count(people: impl IntoIterator<Item = usize>) -> usize {
    people.into_iter().collect::<std::collections::HashSet<_>>().len()
}

/// Share of people of whom something is true, with its interval; a person of several pictures counts once, by the share of
/// the pictures. `None` without any.
#[must_use]
pub fn share_of_people(hits: impl IntoIterator<Item = (usize, bool)>) -> Option<Interval> {
    let means = person_means(hits.into_iter().map(|(person, hit)| (person, f64::from(u8::from(hit)))));
    share_of_weight(means.iter().sum(), means.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::statistics::SplitMix;

    fn picture(seed: u64) -> RgbImage {
        let mut random = SplitMix(seed);
        let cells: Vec<u8> = (0..64).map(|_| random.below(200) as u8 + 20).collect();
        RgbImage::from_fn(120, 96, |x, y| image::Rgb([cells[(x / 15 + y / 12 * 8) as usize]; 3]))
    }

    fn noisy(picture: &RgbImage, gain: f32, seed: u64) -> RgbImage {
        let mut random = SplitMix(seed);
        let mut out = picture.clone();
        for v in out.iter_mut() {
            *v = (f32::from(*v) * gain + random.normal() * 6.0).clamp(0.0, 255.0) as u8;
        }
        out
    }

    fn groups(pictures: &[(Option<&str>, RgbImage)]) -> Vec<usize> {
        let thumbnails: Vec<Thumbnail> = pictures.iter().map(|(_, p)| Thumbnail::of(p)).collect();
        people(&pictures.iter().zip(&thumbnails).map(|((name, _), t)| (*name, t)).collect::<Vec<_>>())
    }

    #[test]
    fn a_picture_its_copy_and_what_is_nearly_it_are_one_and_another_is_not() {
        let (a, b) = (picture(1), picture(2));
        let reduced = image::imageops::resize(&a, 60, 48, image::imageops::FilterType::Triangle);
        let found = groups(&[
            (None, a.clone()),
            (None, b),
            (None, a.clone()),
            (None, noisy(&a, 0.8, 9)),
            (None, reduced),
            (None, picture(3)),
        ]);
        assert_eq!(found, [0, 1, 0, 0, 0, 5]);
    }

    #[test]
    fn pictures_of_one_name_are_one_person_and_pictures_of_one_colour_are_one_picture() {
        let plain = |v: u8| RgbImage::from_pixel(30, 30, image::Rgb([v; 3]));
        let found = groups(&[
            (Some("p"), picture(1)),
            (Some("q"), picture(2)),
            (Some("p"), picture(3)),
            (None, plain(9)),
            (None, plain(9)),
        ]);
        assert_eq!(found, [0, 1, 0, 3, 3]);
    }

    #[test]
    fn many_pictures_are_compared_as_one_by_one() {
        let pictures: Vec<RgbImage> =
            (0..60).map(|k| noisy(&picture(k % 20), 0.9 + (k % 3) as f32 / 10.0, k)).collect();
        let found = groups(&pictures.iter().map(|p| (None, p.clone())).collect::<Vec<_>>());
        assert_eq!(count(found.iter().copied()), 20);
        assert!((0..60).all(|k| found[k] == k % 20));
    }

    #[test]
    fn people_count_once_however_often_they_are_listed() {
        let once = share_of_people((0..8).map(|k| (k, k == 0))).unwrap();
        let often = share_of_people((0..480).map(|k| (k % 8, k % 8 == 0))).unwrap();
        assert_eq!(once, often);
        assert!(often.high > 0.4, "{often:?}");
        let half = share_of_people([(0, true), (0, false), (1, false)]).unwrap();
        assert_eq!(half.value, 0.25);
    }
}
