//! What an installer on the ladder wants to know: where the face is, how large, how well lit, how sharp, how far turned, and how
//! fast this board judges. As words, and as a box drawn on the panel or the terminal; never the picture itself.

use embedded_graphics::{
    mono_font::{MonoTextStyle, iso_8859_1::FONT_6X10},
    pixelcolor::{Rgb565, RgbColor},
    prelude::*,
    primitives::{PrimitiveStyle, Rectangle},
    text::{Baseline, Text},
};

use crate::{
    display::canvas::{Canvas, Enlarged},
    quality::{self, Flaw, Light, QualityLimits},
    vision::{BoundingBox, Chip, Face},
};

/// Degrees of a head's turn for a whole unit of [`quality::turn`], near the middle.
const DEGREES: f32 = 30.0 / 0.32;

/// What one frame shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Aim {
    /// Width and height of the picture.
    pub frame: (u32, u32),
    /// The nearest face.
    pub face: Option<Aimed>,
    /// Frames a second that the camera gives.
    pub rate: f32,
    /// Seconds that this board takes to judge one.
    pub seconds: f32,
}

/// The face and its view.
#[derive(Clone, Debug, PartialEq)]
pub struct Aimed {
    /// Its box.
    pub bounds: BoundingBox,
    /// The height that it needs, in pixels.
    pub needed: f32,
    /// Mean brightness, 0 to 255.
    pub light: f32,
    /// Sharpness, 0 to about 4.
    pub sharpness: f32,
    /// Turn of the head in degrees, to the picture's right.
    pub turn: f32,
    /// What keeps it from being judged.
    pub flaw: Option<Flaw>,
}

impl Aimed {
    /// Measures a face.
    #[must_use]
    pub fn of(face: &Face, frame: (u32, u32), chip: Option<&Chip>, limits: &QualityLimits) -> Self {
        let flaw = quality::geometry(face, frame, limits)
            .and_then(|()| chip.map_or(Err(Flaw::LookingAway), |chip| quality::pixels(chip, limits).map(|_| ())));
        Self {
            bounds: face.bounds,
            needed: limits.min_face_pixels.max(limits.min_face_share * frame.1 as f32),
            light: chip.map_or(0.0, |chip| Light::of(chip.pixels()).mean),
            sharpness: chip.map_or(0.0, quality::sharpness),
            turn: quality::turn(face) * DEGREES,
            flaw: flaw.err(),
        }
    }
}

impl Aim {
    /// Where the face is and how it is, a line for each.
    #[must_use]
    pub fn words(&self, limits: &QualityLimits) -> Vec<String> {
        let speed = format!("{:.1} frames a second; {:.2} s to judge one", self.rate, self.seconds);
        let Some(face) = &self.face else {
            return vec!["no face: stand where visitors will stand".into(), speed];
        };
        let well = |good: bool, bad: &str| if good { "well".to_owned() } else { bad.to_owned() };
        let height = face.bounds.height();
        let turn_limit = limits.max_turn * DEGREES;
        let side = if face.turn > 0.0 { "right" } else { "left" };
        let light = match face.light {
            l if l < limits.min_brightness => "too dark",
            l if l > limits.max_brightness => "too bright",
            _ => "well",
        };
        vec![
            format!("face {}", self.place(face)),
            format!(
                "height {height:.0} pixels, needed {:.0}: {}",
                face.needed,
                well(height >= face.needed, "come closer")
            ),
            format!("light {:.0}, {} to {}: {light}", face.light, limits.min_brightness, limits.max_brightness),
            format!(
                "sharpness {:.3}, needed {}: {}",
                face.sharpness,
                limits.min_sharpness,
                well(face.sharpness >= limits.min_sharpness, "focus, clean the lens, or more light")
            ),
            format!(
                "turned {:.0} degrees to the {side}, at most {turn_limit:.0}: {}",
                face.turn.abs(),
                well(face.turn.abs() <= turn_limit, "look at the camera")
            ),
            speed,
            match face.flaw {
                None => "this view can be judged".into(),
                Some(flaw) => format!("this view cannot be judged: {}", advice(flaw)),
            },
        ]
    }

    /// Where the middle of the face is, in thirds of the picture.
    fn place(&self, face: &Aimed) -> String {
        let centre = face.bounds.centre();
        let (x, y) = (centre.x / self.frame.0.max(1) as f32, centre.y / self.frame.1.max(1) as f32);
        let third = |at: f32, words: [&'static str; 3]| words[((at * 3.0).clamp(0.0, 2.9)) as usize];
        match (third(x, ["left", "", "right"]), third(y, ["high", "", "low"])) {
            ("", "") => "in the middle".into(),
            (across, "") => format!("at the {across}"),
            ("", up) => format!("too {up}: tilt the camera"),
            (across, up) => format!("at the {across} and too {up}: tilt the camera"),
        }
    }

    /// The box in a frame of so many columns and rows of characters.
    #[must_use]
    pub fn sketch(&self, columns: usize, rows: usize) -> Vec<String> {
        let mut cells = vec![vec![' '; columns]; rows];
        if let Some(face) = &self.face {
            let scale = |at: f32, of: u32, cells: usize| {
                ((at / of.max(1) as f32 * cells as f32).max(0.0) as usize).min(cells.saturating_sub(1))
            };
            let (left, right) =
                (scale(face.bounds.x0, self.frame.0, columns), scale(face.bounds.x1, self.frame.0, columns));
            let (top, bottom) = (scale(face.bounds.y0, self.frame.1, rows), scale(face.bounds.y1, self.frame.1, rows));
            for (y, row) in cells.iter_mut().enumerate().take(bottom + 1).skip(top) {
                for (x, cell) in row.iter_mut().enumerate().take(right + 1).skip(left) {
                    if y == top || y == bottom || x == left || x == right {
                        *cell = if face.flaw.is_none() { '#' } else { 'o' };
                    }
                }
            }
        }
        let edge = format!("+{}+", "-".repeat(columns));
        let rows = cells.iter().map(|row| format!("|{}|", row.iter().collect::<String>()));
        std::iter::once(edge.clone()).chain(rows).chain([edge.clone()]).collect()
    }

    /// The box and the words on a panel.
    #[must_use]
    pub fn draw(&self, limits: &QualityLimits, width: u32, height: u32, mono: bool) -> Canvas {
        let mut canvas = Canvas::new(width, height);
        let colour = |good: bool| match (mono, good) {
            (true, _) => Rgb565::WHITE,
            (false, true) => Rgb565::new(4, 50, 12),
            (false, false) => Rgb565::new(30, 46, 5),
        };
        // The picture's outline above, the words below.
        let above = if height < 100 { height / 2 } else { height * 3 / 5 };
        let scale = (width as f32 / self.frame.0.max(1) as f32).min(above as f32 / self.frame.1.max(1) as f32);
        let size = Size::new((self.frame.0 as f32 * scale) as u32, (self.frame.1 as f32 * scale) as u32);
        let origin = Point::new((width - size.width.min(width)) as i32 / 2, 0);
        let Ok(()) =
            Rectangle::new(origin, size).into_styled(PrimitiveStyle::with_stroke(Rgb565::WHITE, 1)).draw(&mut canvas);
        if let Some(face) = &self.face {
            let at = |x: f32, y: f32| origin + Point::new((x * scale) as i32, (y * scale) as i32);
            let b = &face.bounds;
            let stroke = if height < 100 { 1 } else { 3 };
            let style = PrimitiveStyle::with_stroke(colour(face.flaw.is_none()), stroke);
            let Ok(()) = Rectangle::with_corners(at(b.x0, b.y0), at(b.x1, b.y1)).into_styled(style).draw(&mut canvas);
        }
        let factor = if width >= 400 { 2 } else { 1 };
        let columns = (width / (FONT_6X10.character_size.width * factor)) as usize;
        let line_height = (FONT_6X10.character_size.height * factor + 1) as i32;
        for (k, line) in self.words(limits).iter().enumerate() {
            let line: String = line.chars().take(columns).collect();
            let place = Point::new(0, above as i32 + 2 + k as i32 * line_height);
            let mut large = Enlarged::new(&mut canvas, factor, place);
            let style = MonoTextStyle::new(&FONT_6X10, Rgb565::WHITE);
            let Ok(_) = Text::with_baseline(&line, Point::zero(), style, Baseline::Top).draw(&mut large);
        }
        canvas
    }
}

/// What to do about a flaw.
fn advice(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::TooFar => "come closer, or mount the camera nearer",
        Flaw::OutsideFrame => "part of the face is outside; step into the middle, or turn the camera",
        Flaw::LookingAway => "look at the camera; is it at eye height?",
        Flaw::TooDark => "more light from the front",
        Flaw::TooBright => "less light; exposure = \"face\" in [camera] may do",
        Flaw::Blurred => "hold still; is the lens focused and clean?",
        Flaw::Covered => "mouth or eyes are hidden; take off mask or sunglasses",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aim(x: f32, y: f32, height: f32, flaw: Option<Flaw>) -> Aim {
        let bounds = BoundingBox { x0: x, y0: y, x1: x + height * 0.8, y1: y + height };
        let face = Aimed { bounds, needed: 96.0, light: 120.0, sharpness: 0.05, turn: -4.0, flaw };
        Aim { frame: (640, 480), face: Some(face), rate: 10.0, seconds: 0.12 }
    }

    fn said(aim: &Aim) -> String {
        aim.words(&QualityLimits::default()).join("\n")
    }

    #[test]
    fn the_words_say_where_the_face_is_and_what_it_lacks() {
        let good = said(&aim(240.0, 140.0, 200.0, None));
        for part in [
            "in the middle",
            "height 200 pixels, needed 96: well",
            "light 120",
            "to the left",
            "10.0 frames",
            "0.12 s",
            "can be judged",
        ] {
            assert!(good.contains(part), "{part}: {good}");
        }
        let far = said(&aim(20.0, 20.0, 60.0, Some(Flaw::TooFar)));
        for part in
            ["at the left and too high: tilt the camera", "needed 96: come closer", "cannot be judged: come closer"]
        {
            assert!(far.contains(part), "{part}: {far}");
        }
        let nobody = Aim { face: None, ..aim(0.0, 0.0, 1.0, None) };
        assert!(said(&nobody).contains("no face"));
    }

    #[test]
    fn the_box_is_drawn_where_the_face_is() {
        let sketch = aim(320.0, 0.0, 240.0, None).sketch(40, 12);
        assert_eq!(sketch.len(), 14);
        assert!(sketch.iter().all(|row| row.chars().count() == 42));
        let marks: Vec<usize> = sketch.iter().flat_map(|row| row.match_indices('#').map(|(x, _)| x)).collect();
        assert!(marks.iter().all(|x| (21..=34).contains(x)), "{sketch:#?}");
        assert!(sketch[8..13].iter().all(|row| !row.contains('#')), "nothing in the lower half");
    }

    #[test]
    fn a_panel_shows_outline_box_and_words_in_every_size() {
        let limits = QualityLimits::default();
        for (width, height, mono) in
            [(240, 320, false), (320, 240, false), (128, 64, true), (135, 240, false), (480, 320, false)]
        {
            let with = aim(240.0, 140.0, 200.0, None).draw(&limits, width, height, mono);
            let without = Aim { face: None, ..aim(0.0, 0.0, 1.0, None) }.draw(&limits, width, height, mono);
            assert!(with.changed_since(&without).is_some());
            let lit = (0..height)
                .flat_map(|y| (0..width).map(move |x| (x, y)))
                .filter(|(x, y)| with.at(*x, *y) != Rgb565::BLACK);
            assert!(lit.count() > 200, "{width}x{height}");
        }
    }
}
