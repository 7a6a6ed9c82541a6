//! What each screen looks like: a symbol, a headline and a line, on a colour. Never colour alone: every screen has its own
//! symbol and words. Sizes follow the panel's, from 128x64 monochrome to 320x480.

use embedded_graphics::{
    mono_font::{
        MonoFont, MonoTextStyle,
        iso_8859_1::{FONT_6X10, FONT_10X20},
    },
    pixelcolor::{Rgb565, RgbColor},
    prelude::*,
    primitives::{Arc, Circle, Line, PrimitiveStyle, PrimitiveStyleBuilder, Rectangle, RoundedRectangle, Triangle},
    text::{Baseline, Text},
};

use super::{
    Screen,
    canvas::{Canvas, Enlarged},
    texts::Texts,
};

/// Panels lower than this get the symbol beside the text instead of above it.
const LOW: u32 = 100;

/// Colours of a screen: background, ink.
fn colours(screen: Screen, mono: bool) -> (Rgb565, Rgb565) {
    let rgb = |r: u8, g: u8, b: u8| Rgb565::new(r >> 3, g >> 2, b >> 3);
    let (dark, white) = (rgb(12, 20, 32), Rgb565::WHITE);
    if mono {
        // A panel of two colours: the decisions that open or not stand out by inversion.
        return if screen == Screen::Welcome { (white, Rgb565::BLACK) } else { (Rgb565::BLACK, white) };
    }
    match screen {
        Screen::Welcome => (rgb(0, 110, 60), white),
        Screen::ShowId | Screen::NotLive => (rgb(245, 190, 40), dark),
        Screen::Denied => (rgb(150, 20, 30), white),
        Screen::NotAvailable => (rgb(70, 70, 76), white),
        Screen::Idle | Screen::Waiting => (dark, rgb(190, 210, 235)),
        _ => (rgb(16, 60, 120), white),
    }
}

/// Draws a screen, `mono` for panels of two colours.
///
/// Drawing on a canvas cannot fail: its error type has no values.
#[must_use]
pub fn draw(screen: Screen, texts: &Texts, width: u32, height: u32, mono: bool) -> Canvas {
    let mut canvas = Canvas::new(width, height);
    let (background, ink) = colours(screen, mono);
    let Ok(()) = canvas.clear(background);
    let [head, line] = texts.of(screen);
    let (w, h) = (width as i32, height as i32);
    if height < LOW {
        let side = height.min(width * 2 / 5);
        symbol(&mut canvas, screen, Point::new(side as i32 / 2, h / 2), side * 9 / 10, background, ink);
        let area = Rectangle::new(Point::new(side as i32 + 2, 0), Size::new(width - side - 2, height));
        // Whoever is asked to do something that not everybody can do is told the other way too, however low the panel.
        let foot =
            if screen.asks_for_a_turn() { wrapped_height(line, &FONT_6X10, 1, area.size.width - 4) - 6 } else { 0 };
        let (upper, lower) = (area.size.height - foot, area.top_left + Point::new(0, (area.size.height - foot) as i32));
        headline(&mut canvas, head, Rectangle::new(area.top_left, Size::new(area.size.width, upper)), ink);
        if foot > 0 {
            paragraph(&mut canvas, line, &FONT_6X10, 1, Rectangle::new(lower, Size::new(area.size.width, foot)), ink);
        }
        return canvas;
    }
    let landscape = width > height;
    let small_factor = if width.min(height) >= 200 { 2 } else { 1 };
    let foot = wrapped_height(line, &FONT_6X10, small_factor, width - 8).min(height / 4);
    let (art, words) = if landscape {
        (
            Rectangle::new(Point::zero(), Size::new(width * 2 / 5, height - foot)),
            Rectangle::new(Point::new(w * 2 / 5, 0), Size::new(width * 3 / 5, height - foot)),
        )
    } else {
        let split = (height - foot) * 11 / 20;
        (
            Rectangle::new(Point::zero(), Size::new(width, split)),
            Rectangle::new(Point::new(0, split as i32), Size::new(width, height - foot - split)),
        )
    };
    symbol(&mut canvas, screen, art.center(), art.size.width.min(art.size.height) * 4 / 5, background, ink);
    headline(&mut canvas, head, words, ink);
    let below = Rectangle::new(Point::new(0, h - foot as i32), Size::new(width, foot));
    paragraph(&mut canvas, line, &FONT_6X10, small_factor, below, ink);
    canvas
}

/// Splits a text at spaces into lines of at most `columns` characters.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= columns => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}

fn wrapped_height(text: &str, font: &MonoFont, factor: u32, width: u32) -> u32 {
    let columns = (width / (font.character_size.width * factor)).max(1) as usize;
    wrap(text, columns).len() as u32 * font.character_size.height * factor + 6
}

/// The headline as large as its area allows.
fn headline(canvas: &mut Canvas, text: &str, area: Rectangle, ink: Rgb565) {
    let font = &FONT_10X20;
    for factor in (1..=8).rev() {
        let columns = (area.size.width.saturating_sub(4) / (font.character_size.width * factor)) as usize;
        let lines = wrap(text, columns.max(1));
        let fits = lines.iter().all(|l| l.chars().count() <= columns)
            && lines.len() as u32 * font.character_size.height * factor <= area.size.height;
        if fits {
            return paragraph(canvas, text, font, factor, area, ink);
        }
    }
    paragraph(canvas, text, &FONT_6X10, 1, area, ink);
}

/// Centred lines.
fn paragraph(canvas: &mut Canvas, text: &str, font: &MonoFont, factor: u32, area: Rectangle, ink: Rgb565) {
    let (cw, ch) = (font.character_size.width * factor, font.character_size.height * factor);
    let lines = wrap(text, (area.size.width.saturating_sub(4) / cw).max(1) as usize);
    let mut y = area.top_left.y + (area.size.height as i32 - (lines.len() as u32 * ch) as i32) / 2;
    for line in &lines {
        let x = area.top_left.x + (area.size.width as i32 - (line.chars().count() as u32 * cw) as i32) / 2;
        let mut large = Enlarged::new(canvas, factor, Point::new(x, y));
        let Ok(_) =
            Text::with_baseline(line, Point::zero(), MonoTextStyle::new(font, ink), Baseline::Top).draw(&mut large);
        y += ch as i32;
    }
}

/// The symbol of a screen, in a square of `side` pixels around `centre`.
fn symbol(canvas: &mut Canvas, screen: Screen, centre: Point, side: u32, background: Rgb565, ink: Rgb565) {
    let mut pen = Pen { canvas, centre, unit: side as f32 / 100.0, background, ink };
    match screen {
        Screen::Idle => pen.face(0.0, 0.0, 40.0),
        Screen::Waiting => {
            pen.ring(0.0, 0.0, 42.0, 6.0);
            pen.disc(0.0, 0.0, 26.0);
        }
        Screen::ComeCloser => {
            pen.face(0.0, -22.0, 24.0);
            pen.stroke(&[(-30.0, 14.0), (0.0, 30.0), (30.0, 14.0)], 9.0);
            pen.stroke(&[(-30.0, 32.0), (0.0, 48.0), (30.0, 32.0)], 9.0);
        }
        Screen::StepInside => {
            pen.face(0.0, 0.0, 20.0);
            pen.stroke(&[(-48.0, -14.0), (-32.0, 0.0), (-48.0, 14.0)], 8.0);
            pen.stroke(&[(48.0, -14.0), (32.0, 0.0), (48.0, 14.0)], 8.0);
        }
        Screen::LookHere => {
            pen.stroke(
                &[
                    (-46.0, 0.0),
                    (-24.0, -22.0),
                    (0.0, -28.0),
                    (24.0, -22.0),
                    (46.0, 0.0),
                    (24.0, 22.0),
                    (0.0, 28.0),
                    (-24.0, 22.0),
                    (-46.0, 0.0),
                ],
                7.0,
            );
            pen.disc(0.0, 0.0, 16.0);
        }
        Screen::MoreLight => {
            pen.disc(0.0, 0.0, 20.0);
            for k in 0..8 {
                let (sin, cos) = (k as f32 * std::f32::consts::FRAC_PI_4).sin_cos();
                pen.stroke(&[(28.0 * cos, 28.0 * sin), (44.0 * cos, 44.0 * sin)], 7.0);
            }
        }
        // A face with something before its eyes.
        Screen::ShowFace => {
            pen.face(0.0, 0.0, 40.0);
            pen.bar(-34.0, -22.0, 68.0, 18.0);
        }
        Screen::HoldStill => {
            pen.bar(-28.0, -38.0, 18.0, 76.0);
            pen.bar(10.0, -38.0, 18.0, 76.0);
        }
        Screen::Checking(tenths) => {
            pen.ring(0.0, 0.0, 44.0, 3.0);
            pen.arc(44.0, f32::from(tenths.max(1)) * 36.0, 12.0);
            pen.face(0.0, 0.0, 22.0);
        }
        // The arrow goes to the visitor's own side, as they stand before the panel.
        Screen::TurnLeft | Screen::TurnRight => {
            let to = if screen == Screen::TurnLeft { -1.0 } else { 1.0 };
            pen.face(-16.0 * to, -16.0, 28.0);
            pen.stroke(&[(-34.0 * to, 34.0), (40.0 * to, 34.0)], 10.0);
            pen.stroke(&[(22.0 * to, 16.0), (40.0 * to, 34.0), (22.0 * to, 50.0)], 10.0);
        }
        Screen::LookAhead => {
            pen.face(0.0, -18.0, 28.0);
            pen.stroke(&[(-46.0, 34.0), (-14.0, 34.0)], 9.0);
            pen.stroke(&[(46.0, 34.0), (14.0, 34.0)], 9.0);
            pen.disc(0.0, 34.0, 8.0);
        }
        Screen::Welcome => pen.stroke(&[(-42.0, 2.0), (-12.0, 32.0), (44.0, -34.0)], 15.0),
        Screen::ShowId => {
            pen.card(0.0);
        }
        Screen::NotLive => {
            // No phone, but the card.
            pen.stroke(&[(-11.0, -48.0), (11.0, -48.0), (11.0, -24.0), (-11.0, -24.0), (-11.0, -48.0)], 5.0);
            pen.stroke(&[(-24.0, -24.0), (24.0, -48.0)], 6.0);
            pen.card(17.0);
        }
        Screen::Denied => {
            pen.ring(0.0, 0.0, 44.0, 11.0);
            pen.stroke(&[(-30.0, -30.0), (30.0, 30.0)], 11.0);
        }
        Screen::NotAvailable => {
            pen.triangle();
        }
    }
}

/// Draws in hundredths of the symbol's side, from its centre.
struct Pen<'a> {
    canvas: &'a mut Canvas,
    centre: Point,
    unit: f32,
    background: Rgb565,
    ink: Rgb565,
}

impl Pen<'_> {
    fn point(&self, x: f32, y: f32) -> Point {
        self.centre + Point::new((x * self.unit).round() as i32, (y * self.unit).round() as i32)
    }

    fn length(&self, hundredths: f32) -> u32 {
        ((hundredths * self.unit).round() as u32).max(1)
    }

    fn filled(&mut self, x: f32, y: f32, radius: f32, colour: Rgb565) {
        let circle = Circle::with_center(self.point(x, y), self.length(radius * 2.0));
        let Ok(()) = circle.into_styled(PrimitiveStyle::with_fill(colour)).draw(self.canvas);
    }

    fn disc(&mut self, x: f32, y: f32, radius: f32) {
        self.filled(x, y, radius, self.ink);
    }

    fn ring(&mut self, x: f32, y: f32, radius: f32, wide: f32) {
        let style = PrimitiveStyleBuilder::new().stroke_color(self.ink).stroke_width(self.length(wide)).build();
        let circle = Circle::with_center(self.point(x, y), self.length(radius * 2.0));
        let Ok(()) = circle.into_styled(style).draw(self.canvas);
    }

    fn arc(&mut self, radius: f32, degrees: f32, wide: f32) {
        let style = PrimitiveStyle::with_stroke(self.ink, self.length(wide));
        let arc = Arc::with_center(self.point(0.0, 0.0), self.length(radius * 2.0), (-90.0).deg(), degrees.deg());
        let Ok(()) = arc.into_styled(style).draw(self.canvas);
    }

    fn bar(&mut self, x: f32, y: f32, width: f32, height: f32) {
        let rectangle = Rectangle::new(self.point(x, y), Size::new(self.length(width), self.length(height)));
        let Ok(()) = rectangle.into_styled(PrimitiveStyle::with_fill(self.ink)).draw(self.canvas);
    }

    fn stroke(&mut self, points: &[(f32, f32)], wide: f32) {
        let style = PrimitiveStyle::with_stroke(self.ink, self.length(wide));
        for pair in points.windows(2) {
            let line = Line::new(self.point(pair[0].0, pair[0].1), self.point(pair[1].0, pair[1].1));
            let Ok(()) = line.into_styled(style).draw(self.canvas);
        }
        for (x, y) in points {
            self.disc(*x, *y, wide / 2.0);
        }
    }

    fn face(&mut self, x: f32, y: f32, radius: f32) {
        self.ring(x, y, radius, radius * 0.16);
        self.disc(x - radius * 0.36, y - radius * 0.2, radius * 0.12);
        self.disc(x + radius * 0.36, y - radius * 0.2, radius * 0.12);
        self.stroke(
            &[(x - radius * 0.34, y + radius * 0.34), (x, y + radius * 0.46), (x + radius * 0.34, y + radius * 0.34)],
            radius * 0.13,
        );
    }

    /// An identity card, whose middle lies so far down.
    fn card(&mut self, down: f32) {
        let style = PrimitiveStyleBuilder::new().stroke_color(self.ink).stroke_width(self.length(7.0)).build();
        let frame = Rectangle::new(self.point(-46.0, down - 31.0), Size::new(self.length(92.0), self.length(62.0)));
        let rounded = RoundedRectangle::with_equal_corners(frame, Size::new_equal(self.length(9.0)));
        let Ok(()) = rounded.into_styled(style).draw(self.canvas);
        self.disc(-22.0, down - 9.0, 10.0);
        self.bar(-36.0, down + 5.0, 28.0, 13.0);
        for y in [-16.0, -2.0, 12.0] {
            self.bar(4.0, down + y, 30.0, 6.0);
        }
    }

    fn triangle(&mut self) {
        let triangle = Triangle::new(self.point(0.0, -44.0), self.point(48.0, 40.0), self.point(-48.0, 40.0));
        let Ok(()) = triangle.into_styled(PrimitiveStyle::with_fill(self.ink)).draw(self.canvas);
        let back = self.background;
        let stem = Rectangle::new(self.point(-5.0, -18.0), Size::new(self.length(10.0), self.length(32.0)));
        let Ok(()) = stem.into_styled(PrimitiveStyle::with_fill(back)).draw(self.canvas);
        self.filled(0.0, 27.0, 6.0, back);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_screen_differs_from_every_other_even_without_colour() {
        for (width, height) in [(240, 320), (320, 240), (240, 240), (128, 64)] {
            let texts = Texts::shipped("en");
            let pictures: HashSet<Vec<bool>> = Screen::ALL
                .iter()
                .map(|screen| {
                    let canvas = draw(*screen, &texts, width, height, true);
                    canvas.part(canvas.bounding_box()).map(|c| c == Rgb565::WHITE).collect()
                })
                .collect();
            assert_eq!(pictures.len(), Screen::ALL.len(), "{width}x{height}");
        }
    }

    #[test]
    fn whoever_cannot_turn_reads_the_other_way_on_the_same_screen_of_every_panel() {
        for (language, other_way) in [("en", "show ID"), ("de", "Ausweis")] {
            let texts = Texts::shipped(language);
            for screen in Screen::ALL.into_iter().filter(|s| s.asks_for_a_turn()) {
                let [head, line] = texts.of(screen);
                assert!(line.contains(other_way), "{line}");
                for (width, height) in [(240, 320), (320, 240), (240, 240), (128, 64)] {
                    // The line is drawn: without it the picture is another, and so large that it fits.
                    let picture = |texts: &Texts| draw(screen, texts, width, height, true);
                    let mut without: toml::Table = toml::from_str(include_str!("texts-en.toml")).unwrap();
                    for key in ["turn_left", "turn_right", "look_ahead"] {
                        without.insert(key.into(), vec![head.clone(), String::new()].into());
                    }
                    let without: Texts = without.try_into().unwrap();
                    let ink = |c: &Canvas| c.part(c.bounding_box()).filter(|p| *p == Rgb565::WHITE).count();
                    assert_ne!(ink(&picture(&texts)), ink(&picture(&without)), "{width}x{height}");
                }
            }
        }
    }

    #[test]
    fn the_headline_is_tall_enough_to_read_at_two_metres() {
        // One line of the headline: at least an eighth of the panel, 7 mm on a panel of 2.4 inch.
        for screen in Screen::ALL {
            let texts = Texts::shipped("de");
            let mut canvas = Canvas::new(240, 320);
            headline(
                &mut canvas,
                &texts.of(screen)[0],
                Rectangle::new(Point::zero(), Size::new(240, 130)),
                Rgb565::WHITE,
            );
            let rows = (0..320).filter(|y| (0..240).any(|x| canvas.at(x, *y) == Rgb565::WHITE)).count();
            assert!(rows >= 24, "{screen:?}: {rows} rows");
        }
    }
}
