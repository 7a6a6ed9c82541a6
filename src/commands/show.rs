//! What the demonstration shows: a line for each decision, the screens in the terminal, an animation and a contact sheet.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use image::{
    Delay, Frame as GifFrame, RgbImage,
    codecs::gif::{GifEncoder, Repeat},
    imageops::{self, FilterType},
};

use crate::{
    audit::{Act, ActReason},
    display::{Screen, recorded::RecordedDisplay},
    frame::Frame,
    gate::{Ended, Surroundings},
    made::MadeFolder,
    out, picture,
    policy::Outcome as Decided,
    relay::simulated::SimulatedRelay,
    say,
    view::View,
    visit::Decision,
};

pub(super) const GIF: &str = "display.gif";
pub(super) const SHEET: &str = "contact-sheet.png";

pub(super) fn screen_name(screen: Screen) -> String {
    format!("screen-{}.png", format!("{screen:?}").split('(').next().unwrap_or("").to_lowercase())
}

/// What the door did about a decision, and why.
type Told = (Act, Option<ActReason>);

/// What the demonstration shows and remembers.
pub(super) struct Show {
    panel: RecordedDisplay,
    relay: SimulatedRelay,
    quiet: bool,
    stop: Arc<AtomicBool>,
    began: Instant,
    last: Option<Screen>,
    /// Frames for the picture: what the camera saw, reduced, and what the display showed.
    strip: Vec<(RgbImage, Screen)>,
    decisions: Vec<(Duration, Decision, Option<Told>)>,
}

/// Most frames of the animation: bounds memory where the demonstration watches a camera for long.
const MOST_FRAMES: usize = 400;

impl Show {
    pub(super) fn new(panel: RecordedDisplay, relay: SimulatedRelay, quiet: bool, stop: Arc<AtomicBool>) -> Self {
        let began = Instant::now();
        Self { panel, relay, quiet, stop, began, last: None, strip: Vec::new(), decisions: Vec::new() }
    }

    pub(super) fn summary(&self) {
        say!(
            "\n{:>7}  {:<10} {:<18} {:<6} {:<10} {:<6} {:<6} door",
            "at",
            "decision",
            "reason",
            "band",
            "confidence",
            "living",
            "frames"
        );
        for (at, d, act) in &self.decisions {
            let door = match act {
                Some((Act::Opened, _)) => "opened (simulated)".into(),
                Some((act, Some(reason))) => format!("{act} ({reason})"),
                _ => "shut".into(),
            };
            say!(
                "{:>5.1} s  {:<10} {:<18} {:<6} {:<10} {:<6} {:<6} {door}",
                at.as_secs_f32(),
                d.outcome,
                d.reason,
                d.band.map_or("-", |b| b.label()),
                d.confidence.map_or_else(|| "-".into(), |c| format!("{c:.3}")),
                d.liveness.map_or_else(|| "-".into(), |p| format!("{p:.3}")),
                d.frames,
            );
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (_, d, _) in &self.decisions {
            *counts.entry(d.outcome.to_string()).or_default() += 1;
        }
        let text: Vec<String> = counts.iter().map(|(outcome, n)| format!("{n} {outcome}")).collect();
        say!(
            "{} visits: {}; the simulated relay was energised {} times",
            self.decisions.len(),
            text.join(", "),
            self.relay.history().iter().filter(|(_, on)| *on).count()
        );
    }

    /// Writes the animation and the contact sheet of what camera and display showed.
    pub(super) fn pictures(&self, folder: &MadeFolder) -> Result<(), Box<dyn std::error::Error>> {
        let mut bytes = Vec::new();
        let mut gif = GifEncoder::new_with_speed(&mut bytes, 20);
        gif.set_repeat(Repeat::Infinite)?;
        for (seen, screen) in self.strip.iter().step_by(2) {
            let picture = beside(seen, &self.panel.picture(*screen).to_rgb());
            let rgba = image::DynamicImage::ImageRgb8(picture).into_rgba8();
            gif.encode_frame(GifFrame::from_parts(rgba, 0, 0, Delay::from_numer_denom_ms(200, 1)))?;
        }
        drop(gif);
        folder.write(GIF, &bytes)?;
        // One tile for each decision: the frame in which it fell and the screen that followed.
        let mut tiles: Vec<RgbImage> = Vec::new();
        let mut before = None;
        for (seen, screen) in &self.strip {
            let told = matches!(
                screen,
                Screen::Welcome
                    | Screen::ShowId
                    | Screen::NotLive
                    | Screen::Denied
                    | Screen::HoldStill
                    | Screen::NotAvailable
            );
            if told && before != Some(*screen) {
                tiles.push(beside(seen, &self.panel.picture(*screen).to_rgb()));
            }
            before = Some(*screen);
        }
        if let Some(first) = tiles.first() {
            let columns = 3.min(tiles.len() as u32);
            let rows = (tiles.len() as u32).div_ceil(columns);
            let (w, h) = first.dimensions();
            let mut sheet = RgbImage::from_pixel(columns * (w + 8) + 8, rows * (h + 8) + 8, image::Rgb([30, 32, 36]));
            for (k, tile) in tiles.iter().enumerate() {
                let (column, row) = (k as u32 % columns, k as u32 / columns);
                imageops::replace(&mut sheet, tile, i64::from(8 + column * (w + 8)), i64::from(8 + row * (h + 8)));
            }
            folder.write(SHEET, &picture::png(&sheet)?)?;
        }
        for screen in Screen::ALL {
            folder.write(&screen_name(screen), &picture::png(&self.panel.picture(screen).to_rgb())?)?;
        }
        Ok(())
    }
}

fn beside(seen: &RgbImage, screen: &RgbImage) -> RgbImage {
    let height = seen.height();
    let width = screen.width() * height / screen.height();
    let small = imageops::resize(screen, width, height, FilterType::Triangle);
    let mut picture = RgbImage::from_pixel(seen.width() + 4 + width, height, image::Rgb([30, 32, 36]));
    imageops::replace(&mut picture, seen, 0, 0);
    imageops::replace(&mut picture, &small, i64::from(seen.width()) + 4, 0);
    picture
}

impl Surroundings for Show {
    fn asked(&mut self) -> Option<Ended> {
        self.stop.load(Ordering::Relaxed).then_some(Ended::Stopped)
    }

    fn progress(&mut self) {}

    fn decided(&mut self, decision: &Decision, logged: bool) {
        let d = decision;
        say!(
            "{:>5.1} s  {} ({}), band {}, {} good frames{}{}",
            self.began.elapsed().as_secs_f32(),
            d.outcome,
            d.reason,
            d.band.map_or("-", |b| b.label()),
            d.frames,
            d.liveness.map_or_else(String::new, |p| format!(", living {p:.3}")),
            if logged { ", logged" } else { ", NOT logged: not acted on" }
        );
        self.decisions.push((self.began.elapsed(), decision.clone(), None));
    }

    fn acted(&mut self, _decision: u64, act: Act, reason: Option<ActReason>) {
        // The newest decision is the one that is acted on; `shut` belongs to an older one, whose row has its act.
        if let Some((.., told @ None)) = self.decisions.last_mut().filter(|(_, d, _)| d.outcome == Decided::Allow)
            && act != Act::Shut
        {
            *told = Some((act, reason));
        }
    }

    fn judged(&mut self, frame: &Frame, screen: Screen) {
        if self.strip.len() < MOST_FRAMES {
            let (w, h) = frame.pixels.dimensions();
            let small = imageops::resize(frame.pixels.whole().as_ref(), 200 * w / h.max(1), 200, FilterType::Triangle);
            self.strip.push((small, screen));
        }
        if self.last != Some(screen)
            && !matches!((self.last, screen), (Some(Screen::Checking(_)), Screen::Checking(_)))
            && !self.quiet
        {
            out::draw(&terminal(&self.panel.picture(screen).to_rgb()), "\n");
        }
        self.last = Some(screen);
    }
}

/// A picture for a terminal: two pixels a character, upper half block, 24-bit colour where the terminal is one.
fn terminal(picture: &RgbImage) -> String {
    use std::{fmt::Write as _, io::IsTerminal};
    let small = imageops::resize(picture, 36, 48, FilterType::Triangle);
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut text = String::new();
    if !colour {
        // Without colours: light and dark against the background of the upper left corner.
        let back = small.get_pixel(0, 0).0.map(i32::from);
        for y in (0..48).step_by(2) {
            let line: String = (0..36)
                .map(|x| {
                    let ink = |y: u32| {
                        (0..3).map(|c| (i32::from(small.get_pixel(x, y).0[c]) - back[c]).abs()).sum::<i32>() > 150
                    };
                    match (ink(y), ink(y + 1)) {
                        (true, true) => '\u{2588}',
                        (true, false) => '\u{2580}',
                        (false, true) => '\u{2584}',
                        (false, false) => ' ',
                    }
                })
                .collect();
            let _ = writeln!(text, "    |{line}|");
        }
        return text;
    }
    for y in (0..48).step_by(2) {
        text.push_str("    ");
        for x in 0..36 {
            let ([a, b, c], [d, e, f]) = (small.get_pixel(x, y).0, small.get_pixel(x, y + 1).0);
            let _ = write!(text, "\x1b[38;2;{a};{b};{c}m\x1b[48;2;{d};{e};{f}m\u{2580}");
        }
        text.push_str("\x1b[0m\n");
    }
    text
}
