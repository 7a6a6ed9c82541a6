//! A picture in memory that screens are drawn on, before a panel gets the part that changed.

use std::convert::Infallible;

use embedded_graphics::{
    mono_font::{MonoTextStyle, iso_8859_1::FONT_6X10},
    pixelcolor::{Rgb565, RgbColor},
    prelude::*,
    primitives::Rectangle,
    text::{Baseline, Text},
};

/// A picture of RGB565 pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canvas {
    size: Size,
    pixels: Vec<Rgb565>,
}

impl Canvas {
    /// A black one.
    #[must_use]
    pub fn new(width: u32, height: u32) -> Self {
        Self { size: Size::new(width, height), pixels: vec![Rgb565::BLACK; (width * height) as usize] }
    }

    /// One of a line of text, white on black, just as large as that takes.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        let (cell, count) = (FONT_6X10.character_size, text.chars().count() as u32);
        let mut canvas = Self::new(cell.width * count.max(1), cell.height);
        let style = MonoTextStyle::new(&FONT_6X10, Rgb565::WHITE);
        let Ok(_) = Text::with_baseline(text, Point::zero(), style, Baseline::Top).draw(&mut canvas);
        canvas
    }

    /// The pixel at a place within the canvas; black outside.
    #[must_use]
    pub fn at(&self, x: u32, y: u32) -> Rgb565 {
        let inside = x < self.size.width && y < self.size.height;
        if inside { self.pixels[(y * self.size.width + x) as usize] } else { Rgb565::BLACK }
    }

    /// The smallest rectangle that holds all differences to an earlier canvas; `None` if there is none. A canvas of another
    /// size differs everywhere.
    #[must_use]
    pub fn changed_since(&self, before: &Self) -> Option<Rectangle> {
        if self.size != before.size {
            return Some(self.bounding_box());
        }
        let width = self.size.width as usize;
        let mut bounds: Option<[usize; 4]> = None;
        for (at, _) in self.pixels.iter().zip(&before.pixels).enumerate().filter(|(_, (a, b))| a != b) {
            let (x, y) = (at % width, at / width);
            let [x0, y0, x1, y1] = bounds.unwrap_or([x, y, x, y]);
            bounds = Some([x0.min(x), y0.min(y), x1.max(x), y1.max(y)]);
        }
        bounds.map(|[x0, y0, x1, y1]| {
            Rectangle::with_corners(Point::new(x0 as i32, y0 as i32), Point::new(x1 as i32, y1 as i32))
        })
    }

    /// The pixels of a rectangle within the canvas, row by row.
    pub fn part(&self, area: Rectangle) -> impl Iterator<Item = Rgb565> + '_ {
        area.points().map(|p| self.at(p.x.max(0) as u32, p.y.max(0) as u32))
    }

    /// As a picture of 8 bits a channel.
    #[must_use]
    pub fn to_rgb(&self) -> image::RgbImage {
        image::RgbImage::from_fn(self.size.width, self.size.height, |x, y| {
            let c = self.at(x, y);
            image::Rgb([c.r() << 3 | c.r() >> 2, c.g() << 2 | c.g() >> 4, c.b() << 3 | c.b() >> 2])
        })
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        self.size
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb565;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb565>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        let bounds = self.bounding_box();
        for Pixel(p, colour) in pixels {
            if bounds.contains(p) {
                self.pixels[p.y as usize * self.size.width as usize + p.x as usize] = colour;
            }
        }
        Ok(())
    }
}

/// Draws everything larger by a whole factor: the fonts of embedded-graphics end at 20 pixels, too small to read at 2 m.
pub struct Enlarged<'a> {
    target: &'a mut Canvas,
    factor: u32,
    origin: Point,
}

impl<'a> Enlarged<'a> {
    /// A view on `target` whose (0, 0) lies at `origin` and whose pixels are squares of `factor`.
    pub fn new(target: &'a mut Canvas, factor: u32, origin: Point) -> Self {
        Self { target, factor: factor.max(1), origin }
    }
}

impl OriginDimensions for Enlarged<'_> {
    fn size(&self) -> Size {
        self.target.size / self.factor
    }
}

impl DrawTarget for Enlarged<'_> {
    type Color = Rgb565;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb565>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(p, colour) in pixels {
            let corner = self.origin + p * self.factor as i32;
            self.target.fill_solid(&Rectangle::new(corner, Size::new_equal(self.factor)), colour)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_told() {
        let before = Canvas::new(20, 10);
        let mut after = before.clone();
        assert_eq!(after.changed_since(&before), None);
        after.draw_iter([Pixel(Point::new(3, 2), Rgb565::RED), Pixel(Point::new(7, 5), Rgb565::RED)]).unwrap();
        assert_eq!(after.changed_since(&before), Some(Rectangle::new(Point::new(3, 2), Size::new(5, 4))));
    }

    #[test]
    fn drawing_outside_is_ignored() {
        let mut canvas = Canvas::new(4, 4);
        canvas.draw_iter([Pixel(Point::new(-1, 2), Rgb565::RED), Pixel(Point::new(4, 0), Rgb565::RED)]).unwrap();
        assert_eq!(canvas, Canvas::new(4, 4));
    }
}
