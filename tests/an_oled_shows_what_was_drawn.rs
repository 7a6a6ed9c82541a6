//! The byte stream to an SSD1306, decoded as the controller would, gives the picture that was drawn, in every rotation.
//!
//! The panel here is software that understands the controller's commands (SSD1306 data sheet, chapters 9 and 10):
//! addressing window, segment and COM direction, display on, and horizontal addressing of pages of eight rows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

#[path = "common/software_panel.rs"]
mod software_panel;

use std::sync::{Arc, Mutex};

use agegate::{
    config::{DisplayConfig, DisplayDriver},
    display::{
        Display, Screen,
        panel::{PanelDisplay, mono_panel, turned_size},
        screens,
        texts::Texts,
    },
};
use embedded_graphics::{pixelcolor::RgbColor, prelude::*};
use software_panel::{Bus, Controller, DataCommand, NoDelay};

const WIDTH: usize = 128;
const HEIGHT: usize = 64;

#[derive(Default)]
struct Oled {
    /// Whether the data/command line says data.
    data: bool,
    command: Vec<u8>,
    columns: (usize, usize),
    pages: (usize, usize),
    at: (usize, usize),
    /// Columns and rows run as the usual module needs it to be upright.
    upright: (bool, bool),
    horizontal: bool,
    on: bool,
    memory: Vec<[u8; WIDTH]>,
    data_bytes: usize,
}

impl Controller for Oled {
    fn data(&mut self, data: bool) {
        self.data = data;
    }

    fn byte(&mut self, byte: u8) {
        if self.data {
            return self.eight_rows(byte);
        }
        self.command.push(byte);
        let arguments = match self.command[0] {
            0x21 | 0x22 => 2,
            0x20 | 0x81 | 0x8d | 0xa8 | 0xad | 0xd3 | 0xd5 | 0xd9 | 0xda | 0xdb => 1,
            _ => 0,
        };
        if self.command.len() > arguments {
            let command = std::mem::take(&mut self.command);
            self.obey(&command);
        }
    }
}

impl Oled {
    fn obey(&mut self, command: &[u8]) {
        let window = |c: &[u8]| (usize::from(c[1]), usize::from(c[2]));
        match command[0] {
            0x20 => self.horizontal = command[1] == 0,
            0x21 => {
                self.columns = window(command);
                self.at.0 = self.columns.0;
            }
            0x22 => {
                self.pages = window(command);
                self.at.1 = self.pages.0;
            }
            0xa0 | 0xa1 => self.upright.0 = command[0] == 0xa1,
            0xc0 | 0xc8 => self.upright.1 = command[0] == 0xc8,
            0xae | 0xaf => self.on = command[0] == 0xaf,
            _ => {}
        }
    }

    fn eight_rows(&mut self, byte: u8) {
        assert!(self.horizontal, "the window is filled row by row");
        self.data_bytes += 1;
        let (column, page) = self.at;
        self.memory[page][column] = byte;
        self.at = match column == self.columns.1 {
            false => (column + 1, page),
            true => (self.columns.0, if page == self.pages.1 { self.pages.0 } else { page + 1 }),
        };
    }

    /// Whether the pixel of the glass lights, seen with the module upright.
    fn lit(&self, x: usize, y: usize) -> bool {
        let column = if self.upright.0 { x } else { WIDTH - 1 - x };
        let row = if self.upright.1 { y } else { HEIGHT - 1 - y };
        self.memory[row / 8][column] >> (row % 8) & 1 == 1
    }

    /// The picture as somebody sees it who turned the module as configured.
    fn seen(&self, rotation: u16) -> Vec<bool> {
        let (w, h) = if rotation.is_multiple_of(180) { (WIDTH, HEIGHT) } else { (HEIGHT, WIDTH) };
        let place = |x: usize, y: usize| match rotation {
            90 => (WIDTH - 1 - y, x),
            180 => (WIDTH - 1 - x, HEIGHT - 1 - y),
            270 => (y, HEIGHT - 1 - x),
            _ => (x, y),
        };
        (0..h).flat_map(|y| (0..w).map(move |x| place(x, y))).map(|(x, y)| self.lit(x, y)).collect()
    }
}

fn display(rotation: u16) -> (PanelDisplay, Bus<Oled>, Size) {
    let config = DisplayConfig { driver: DisplayDriver::Ssd1306, rotation, ..DisplayConfig::default() };
    let bus = Bus(Arc::new(Mutex::new(Oled { memory: vec![[0; WIDTH]; HEIGHT / 8], ..Oled::default() })));
    let none: Option<DataCommand<Oled>> = None;
    let panel = mono_panel(bus.clone(), DataCommand(bus.clone()), none, &config, &mut NoDelay).unwrap();
    let size = turned_size(&config);
    (PanelDisplay::new(panel, Texts::shipped("en"), size, true, "software panel".into()), bus, size)
}

fn drawn(screen: Screen, size: Size) -> Vec<bool> {
    let canvas = screens::draw(screen, &Texts::shipped("en"), size.width, size.height, true);
    canvas.part(canvas.bounding_box()).map(|colour| colour.g() > 31).collect()
}

#[test]
fn every_screen_arrives_as_drawn_in_every_rotation() {
    for rotation in [0, 90, 180, 270] {
        let (mut display, bus, size) = display(rotation);
        for screen in Screen::ALL {
            display.show(screen).unwrap();
            let wanted = drawn(screen, size);
            assert!(wanted.contains(&true) && wanted.contains(&false), "{screen:?} shows something");
            let controller = bus.0.lock().unwrap();
            assert!(controller.on);
            assert!(controller.seen(rotation) == wanted, "{screen:?} turned by {rotation}");
        }
    }
}

#[test]
fn no_change_sends_nothing() {
    let (mut display, bus, _) = display(0);
    display.show(Screen::ShowId).unwrap();
    bus.0.lock().unwrap().data_bytes = 0;
    display.show(Screen::ShowId).unwrap();
    assert_eq!(bus.0.lock().unwrap().data_bytes, 0);
}
