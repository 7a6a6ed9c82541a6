//! The byte stream to an ST7789 and an ILI9341, decoded as the controller would, gives the picture that was drawn; and a
//! change of the screen sends only what changed.
//!
//! The panel here is software that understands the controllers' commands (ST7789V data sheet, chapter 9): column and row
//! address, memory write and continue, memory access control.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

#[path = "common/software_panel.rs"]
mod software_panel;

use std::sync::{Arc, Mutex};

use agegate::{
    config::{ColourOrder, DisplayConfig, DisplayDriver},
    display::{
        Display, Screen,
        panel::{Panel, PanelDisplay, colour_panel, turned_size},
        screens,
        texts::Texts,
    },
};
use embedded_graphics::{pixelcolor::Rgb565, prelude::*};
use mipidsi::models::{ILI9341Rgb565, ST7789};
use software_panel::{Bus, Controller, DataCommand, NoDelay};

const MEMORY: (usize, usize) = (240, 320);

#[derive(Default)]
struct ColourPanel {
    /// Whether the data/command line says data.
    data: bool,
    command: u8,
    arguments: Vec<u8>,
    columns: (usize, usize),
    rows: (usize, usize),
    at: (usize, usize),
    half: Option<u8>,
    memory_access: u8,
    /// Whether the first column of the memory is the last one of the glass, as on an ILI9341.
    mirrored_glass: bool,
    awake: bool,
    on: bool,
    memory: Vec<u16>,
    pixel_bytes: usize,
}

impl Controller for ColourPanel {
    fn data(&mut self, data: bool) {
        self.data = data;
    }

    fn byte(&mut self, byte: u8) {
        if !self.data {
            self.command = byte;
            self.arguments.clear();
            self.half = None;
            match byte {
                0x11 => self.awake = true,
                0x29 => self.on = true,
                0x2c => self.at = (self.columns.0, self.rows.0),
                _ => {}
            }
            return;
        }
        match self.command {
            0x2a | 0x2b | 0x36 => {
                self.arguments.push(byte);
                self.address();
            }
            0x2c | 0x3c => self.pixel(byte),
            _ => {}
        }
    }
}

impl ColourPanel {
    fn address(&mut self) {
        let word = |k: usize| usize::from(self.arguments[k]) << 8 | usize::from(self.arguments[k + 1]);
        match (self.command, self.arguments.len()) {
            (0x2a, 4) => self.columns = (word(0), word(2)),
            (0x2b, 4) => self.rows = (word(0), word(2)),
            (0x36, 1) => self.memory_access = self.arguments[0],
            _ => {}
        }
    }

    fn pixel(&mut self, byte: u8) {
        self.pixel_bytes += 1;
        let Some(high) = self.half.take() else {
            self.half = Some(byte);
            return;
        };
        let colour = u16::from(high) << 8 | u16::from(byte);
        let (x, y) = self.at;
        // Memory access control: bit 5 exchanges rows and columns, bit 6 mirrors columns, bit 7 mirrors rows.
        let (mut column, mut row) = if self.memory_access & 0x20 == 0 { (x, y) } else { (y, x) };
        if self.memory_access & 0x40 != 0 {
            column = MEMORY.0 - 1 - column;
        }
        if self.memory_access & 0x80 != 0 {
            row = MEMORY.1 - 1 - row;
        }
        assert!(column < MEMORY.0 && row < MEMORY.1, "written outside the memory: {column},{row}");
        self.memory[row * MEMORY.0 + column] = colour;
        self.at = if x == self.columns.1 {
            (self.columns.0, if y == self.rows.1 { self.rows.0 } else { y + 1 })
        } else {
            (x + 1, y)
        };
    }

    /// The picture as somebody sees it who turned the panel as configured.
    fn seen(&self, rotation: u16) -> Vec<Rgb565> {
        let (w, h) = MEMORY;
        let at = |x: usize, y: usize| {
            let column = if self.mirrored_glass { w - 1 - x } else { x };
            Rgb565::from(embedded_graphics::pixelcolor::raw::RawU16::new(self.memory[y * w + column]))
        };
        match rotation {
            90 => (0..w).flat_map(|y| (0..h).map(move |x| (w - 1 - y, x))).map(|(x, y)| at(x, y)).collect(),
            180 => (0..h).flat_map(|y| (0..w).map(move |x| (w - 1 - x, h - 1 - y))).map(|(x, y)| at(x, y)).collect(),
            270 => (0..w).flat_map(|y| (0..h).map(move |x| (y, h - 1 - x))).map(|(x, y)| at(x, y)).collect(),
            _ => (0..h).flat_map(|y| (0..w).map(move |x| (x, y))).map(|(x, y)| at(x, y)).collect(),
        }
    }
}

fn display(driver: DisplayDriver, rotation: u16) -> (PanelDisplay, Bus<ColourPanel>, DisplayConfig) {
    let config = DisplayConfig { driver, rotation, ..DisplayConfig::default() };
    let mirrored_glass = driver == DisplayDriver::Ili9341;
    let memory = vec![0; MEMORY.0 * MEMORY.1];
    let bus = Bus(Arc::new(Mutex::new(ColourPanel { memory, mirrored_glass, ..ColourPanel::default() })));
    let dc = DataCommand(bus.clone());
    let none: Option<DataCommand<ColourPanel>> = None;
    let panel: Box<dyn Panel> = match driver {
        DisplayDriver::Ili9341 => colour_panel(ILI9341Rgb565, bus.clone(), dc, none, &config, &mut NoDelay).unwrap(),
        _ => colour_panel(ST7789, bus.clone(), dc, none, &config, &mut NoDelay).unwrap(),
    };
    let display = PanelDisplay::new(panel, Texts::shipped("en"), turned_size(&config), false, "software panel".into());
    (display, bus, config)
}

#[test]
fn every_screen_arrives_as_drawn_on_every_controller_in_every_rotation() {
    for driver in [DisplayDriver::St7789, DisplayDriver::Ili9341] {
        for rotation in [0, 90, 180, 270] {
            let (mut display, bus, config) = display(driver, rotation);
            let size = turned_size(&config);
            for screen in Screen::ALL {
                display.show(screen).unwrap();
                let wanted = screens::draw(screen, &Texts::shipped("en"), size.width, size.height, false);
                let wanted: Vec<Rgb565> = wanted.part(wanted.bounding_box()).collect();
                let controller = bus.0.lock().unwrap();
                assert!(controller.awake && controller.on);
                assert!(controller.seen(rotation) == wanted, "{driver:?}: {screen:?} turned by {rotation}");
            }
        }
    }
}

/// Memory access control as `drivers/gpu/drm/tiny/ili9341.c` of Linux sets it: bit 7 rows, 6 columns, 5 exchange, 3 BGR.
#[test]
fn an_ili9341_is_set_up_as_by_the_kernels_own_driver() {
    for (rotation, linux) in [(0, 0x40 | 0x08), (90, 0x20 | 0x08), (180, 0x80 | 0x08), (270, 0xe0 | 0x08)] {
        let (mut display, bus, _) = display(DisplayDriver::Ili9341, rotation);
        display.show(Screen::Idle).unwrap();
        let found = bus.0.lock().unwrap().memory_access;
        assert_eq!(found, linux, "turned by {rotation}: {found:#04x} against {linux:#04x}");
    }
}

#[test]
fn progress_sends_a_part_and_no_change_sends_nothing() {
    let (mut display, bus, _) = display(DisplayDriver::St7789, 0);
    let sent = |bus: &Bus<ColourPanel>| std::mem::take(&mut bus.0.lock().unwrap().pixel_bytes);
    display.show(Screen::Checking(3)).unwrap();
    let whole = sent(&bus);
    assert_eq!(whole, MEMORY.0 * MEMORY.1 * 2);
    display.show(Screen::Checking(4)).unwrap();
    let part = sent(&bus);
    assert!(part > 0 && part < whole / 2, "{part} of {whole} bytes");
    display.show(Screen::Checking(4)).unwrap();
    assert_eq!(sent(&bus), 0);
}

#[test]
fn a_panel_whose_red_is_blue_is_told_to_exchange_them() {
    for (colour_order, bit) in [(None, 0), (Some(ColourOrder::Rgb), 0), (Some(ColourOrder::Bgr), 0x08)] {
        let config = DisplayConfig { driver: DisplayDriver::St7789, colour_order, ..DisplayConfig::default() };
        let memory = vec![0; MEMORY.0 * MEMORY.1];
        let bus = Bus(Arc::new(Mutex::new(ColourPanel { memory, ..ColourPanel::default() })));
        let none: Option<DataCommand<ColourPanel>> = None;
        colour_panel(ST7789, bus.clone(), DataCommand(bus.clone()), none, &config, &mut NoDelay).unwrap();
        assert_eq!(bus.0.lock().unwrap().memory_access & 0x08, bit, "{colour_order:?}");
    }
}

/// Memory of this process in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_panel_that_is_opened_again_and_again_takes_no_more_memory() {
    // Its reset is broken: opened every two seconds, for as long as nobody mends it.
    struct Broken;
    impl embedded_hal::digital::ErrorType for Broken {
        type Error = embedded_hal::digital::ErrorKind;
    }
    impl embedded_hal::digital::OutputPin for Broken {
        fn set_low(&mut self) -> Result<(), Self::Error> {
            Err(embedded_hal::digital::ErrorKind::Other)
        }
        fn set_high(&mut self) -> Result<(), Self::Error> {
            Err(embedded_hal::digital::ErrorKind::Other)
        }
    }
    let config = DisplayConfig { driver: DisplayDriver::St7789, ..DisplayConfig::default() };
    let bus = Bus(Arc::new(Mutex::new(ColourPanel::default())));
    let open = || colour_panel(ST7789, bus.clone(), DataCommand(bus.clone()), Some(Broken), &config, &mut NoDelay);
    assert!((0..100).all(|_| open().is_err()));
    let before = resident();
    assert!((0..5000).all(|_| open().is_err()));
    let grown = resident().saturating_sub(before);
    assert!(grown < 4000, "{grown} KiB more after 5000 openings");
}
