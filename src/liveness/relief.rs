//! How far the nose leaves the plane of eyes and mouth, between two views of a face: plane plus parallax.
//!
//! The eyes are one pair, the mouth's corners another, and a face is alike on both sides: two parallel lines, so all four
//! points lie in one plane. Two views of a plane differ by a homography, whatever camera and distance (Hartley and Zisserman,
//! *Multiple View Geometry*, 2004, 13.1). Four points fix it; it says where the nose would be if it lay in the same plane.
//! What is left is the parallax of a point outside it, proportional to its height over the plane (Irani and Anandan,
//! "Parallax geometry of pairs of points for 3D scene analysis", ECCV 1996). For a flat picture nothing is left, however
//! it is held, turned, pushed or moved, near or far; the affine map of Koenderink and van Doorn ("Affine structure from
//! motion", 1991) and the rank 2 of Tomasi and Kanade's factorisation (1992) are the case of a picture far away. For a
//! head that turns by `a`, a nose of height `d` leaves `d sin a`. De Marsico et al. ("Moving face spoofing detection via 3D
//! projective invariants", ICB 2012) tell pictures from faces by invariants of the same kind.

use crate::vision::Point;

/// What a view shows against a reference view of the same face; lengths in eye distances of the reference, unforeshortened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Relief {
    /// The nose's parallax along the line of the eyes, to the right of the picture.
    pub along: f32,
    /// Its parallax across, down the picture.
    pub across: f32,
    /// By how much the plane of eyes and mouth is foreshortened against the reference: 1 not at all, 0 seen edge-on.
    pub squeeze: f32,
}

/// A map of planes.
#[derive(Clone, Copy, Debug)]
struct Homography([f64; 8]);

impl Relief {
    /// Compares a view with a reference; `None` where the points are no face (three on a line, or not finite).
    #[must_use]
    pub fn of(reference: &[Point; 5], now: &[Point; 5]) -> Option<Self> {
        // From the reference's nose, so that the map's own scale is fixed there and not at some far corner of the picture.
        let from = |p: Point| [f64::from(p.x - reference[2].x), f64::from(p.y - reference[2].y)];
        let from = [reference[0], reference[1], reference[3], reference[4]].map(from);
        let to = [now[0], now[1], now[3], now[4]].map(|p| [f64::from(p.x), f64::from(p.y)]);
        let map = Homography::between(&from, &to)?;
        let nose = [0.0, 0.0];
        let flat = map.apply(nose)?;
        let [[a, b], [c, d]] = map.slope(nose)?;
        // Singular values of the map near the nose: the larger is the size, their ratio the foreshortening.
        let (sum, difference) = ((a + d).hypot(c - b), (a - d).hypot(b + c));
        let (large, small) = ((sum + difference) / 2.0, (sum - difference) / 2.0);
        let eyes = [from[1][0] - from[0][0], from[1][1] - from[0][1]];
        let unit = large * eyes[0].hypot(eyes[1]);
        let line = [a * eyes[0] + b * eyes[1], c * eyes[0] + d * eyes[1]];
        let length = line[0].hypot(line[1]);
        if !(unit > 1e-6 && length > 1e-9 && small > 0.0) {
            return None;
        }
        let left = [f64::from(now[2].x) - flat[0], f64::from(now[2].y) - flat[1]];
        let relief = Self {
            along: ((left[0] * line[0] + left[1] * line[1]) / (length * unit)) as f32,
            across: ((left[1] * line[0] - left[0] * line[1]) / (length * unit)) as f32,
            squeeze: (small / large) as f32,
        };
        (relief.along.is_finite() && relief.across.is_finite()).then_some(relief)
    }

    /// The sine of the angle by which the plane has turned away, as its foreshortening has it.
    #[must_use]
    pub fn slant(&self) -> f32 {
        (1.0 - self.squeeze * self.squeeze).max(0.0).sqrt()
    }
}

/// The face that several views of the same pose have in common: each put upright at one size and place, then the median of each
/// coordinate. `None` without views, or if one has no size.
#[must_use]
pub fn typical(views: &[[Point; 5]]) -> Option<[Point; 5]> {
    let upright: Vec<[Point; 5]> = views.iter().map(upright).collect::<Option<_>>()?;
    if upright.is_empty() {
        return None;
    }
    let middle = |k: usize, of: fn(&Point) -> f32| {
        let mut values: Vec<f32> = upright.iter().map(|view| of(&view[k])).collect();
        values.sort_by(f32::total_cmp);
        (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
    };
    Some(std::array::from_fn(|k| Point::new(middle(k, |p| p.x), middle(k, |p| p.y))))
}

/// A face with the middle of its eyes at the origin and the middle of its mouth at (0, 1).
fn upright(view: &[Point; 5]) -> Option<[Point; 5]> {
    let middle = |a: Point, b: Point| Point::new((a.x + b.x) / 2.0, (a.y + b.y) / 2.0);
    let (eyes, mouth) = (middle(view[0], view[1]), middle(view[3], view[4]));
    let (x, y) = (mouth.x - eyes.x, mouth.y - eyes.y);
    let square = x * x + y * y;
    if !(square > 1e-6 && square.is_finite()) {
        return None;
    }
    let turned = view.map(|p| {
        let (dx, dy) = (p.x - eyes.x, p.y - eyes.y);
        Point::new((dx * y - dy * x) / square, (dx * x + dy * y) / square)
    });
    turned.iter().all(|p| p.x.is_finite() && p.y.is_finite()).then_some(turned)
}

impl Homography {
    /// The map that carries four points onto four others.
    fn between(from: &[[f64; 2]; 4], to: &[[f64; 2]; 4]) -> Option<Self> {
        let mut rows = [[0.0f64; 9]; 8];
        for (k, ([x, y], [u, v])) in from.iter().zip(to).enumerate() {
            rows[2 * k] = [*x, *y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, *u];
            rows[2 * k + 1] = [0.0, 0.0, 0.0, *x, *y, 1.0, -v * x, -v * y, *v];
        }
        solve(rows).map(Self)
    }

    fn parts(&self, [x, y]: [f64; 2]) -> (f64, f64, f64) {
        let h = &self.0;
        (h[0] * x + h[1] * y + h[2], h[3] * x + h[4] * y + h[5], h[6] * x + h[7] * y + 1.0)
    }

    fn apply(&self, at: [f64; 2]) -> Option<[f64; 2]> {
        let (u, v, w) = self.parts(at);
        (w > 1e-9).then(|| [u / w, v / w])
    }

    /// The derivative at a point: rows of x' and y', columns by x and y.
    fn slope(&self, at: [f64; 2]) -> Option<[[f64; 2]; 2]> {
        let h = &self.0;
        let (u, v, w) = self.parts(at);
        let by = |k: usize| [(h[k] * w - u * h[6 + k]) / (w * w), (h[3 + k] * w - v * h[6 + k]) / (w * w)];
        let (x, y) = (by(0), by(1));
        let slope = [[x[0], y[0]], [x[1], y[1]]];
        // A map that turns the face inside out is none of a face.
        (w > 1e-9 && slope[0][0] * slope[1][1] - slope[0][1] * slope[1][0] > 0.0).then_some(slope)
    }
}

/// Gauss's elimination with the largest pivot.
fn solve(mut rows: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    for column in 0..8 {
        let pivot = (column..8).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        rows.swap(column, pivot);
        let lead = rows[column];
        if !(lead[column].abs() > 1e-9) {
            return None;
        }
        for (k, row) in rows.iter_mut().enumerate() {
            if k == column {
                continue;
            }
            let factor = row[column] / lead[column];
            for (value, above) in row.iter_mut().zip(lead) {
                *value -= factor * above;
            }
        }
    }
    let solution: [f64; 8] = std::array::from_fn(|k| rows[k][8] / rows[k][k]);
    solution.iter().all(|v| v.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::drawn::FACE;
    use proptest::prelude::*;

    /// Turned about the upright axis, tilted, rolled, and seen by a camera `distance` away.
    fn seen(depth: f32, yaw: f32, pitch: f32, roll: f32, distance: f32, place: (f32, f32)) -> [Point; 5] {
        FACE.map(|[x, y, z]| {
            let z = z * depth;
            let (x, z) = (x * yaw.cos() - z * yaw.sin(), x * yaw.sin() + z * yaw.cos());
            let (y, z) = (y * pitch.cos() - z * pitch.sin(), y * pitch.sin() + z * pitch.cos());
            let (x, y) = (x * roll.cos() - y * roll.sin(), x * roll.sin() + y * roll.cos());
            let scale = 500.0 / (distance + z);
            Point::new(320.0 + (x + place.0) * scale, 240.0 + (y + place.1) * scale)
        })
    }

    proptest! {
        #[test]
        fn a_flat_picture_shows_no_relief_however_it_is_held(
            yaw in -1.1f32..1.1, pitch in -0.9f32..0.9, roll in -0.6f32..0.6, distance in 2.5f32..30.0,
            before in -0.5f32..0.5, x in -1.0f32..1.0, y in -0.7f32..0.7,
        ) {
            let reference = seen(0.0, before, 0.1, 0.0, 6.0, (0.0, 0.0));
            let relief = Relief::of(&reference, &seen(0.0, yaw, pitch, roll, distance, (x, y))).unwrap();
            prop_assert!(relief.along.abs() < 2e-3 && relief.across.abs() < 2e-3, "{relief:?}");
        }

        #[test]
        fn a_head_that_turns_shows_the_sine_of_its_turn(yaw in -0.8f32..0.8, roll in -0.4f32..0.4, distance in 60.0f32..90.0) {
            let reference = seen(1.0, 0.0, 0.0, 0.0, 80.0, (0.0, 0.0));
            let relief = Relief::of(&reference, &seen(1.0, yaw, 0.0, roll, distance, (0.0, 0.0))).unwrap();
            prop_assert!((relief.along - 0.5 * yaw.sin()).abs() < 0.02, "{relief:?} for {yaw}");
            prop_assert!((relief.squeeze - yaw.cos()).abs() < 0.02);
        }

        #[test]
        fn any_five_points_give_an_answer_or_none(points in prop::array::uniform10(prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(0.0), -1e6f32..1e6])) {
            let face: [Point; 5] = std::array::from_fn(|k| Point::new(points[2 * k], points[2 * k + 1]));
            let reference = seen(1.0, 0.0, 0.0, 0.0, 8.0, (0.0, 0.0));
            for relief in [Relief::of(&reference, &face), Relief::of(&face, &reference)].into_iter().flatten() {
                prop_assert!(relief.along.is_finite() && relief.across.is_finite());
            }
        }
    }

    #[test]
    fn points_on_a_line_are_no_face() {
        let line = [0.0, 1.0, 2.0, 3.0, 4.0].map(|x| Point::new(x, x));
        assert_eq!(Relief::of(&line, &seen(1.0, 0.0, 0.0, 0.0, 8.0, (0.0, 0.0))), None);
    }
}
