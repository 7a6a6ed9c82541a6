//! Real panels on SPI: ST7789 and ILI9341 through `mipidsi`, SSD1306 through `ssd1306`, both on `linux-embedded-hal`.
//!
//! The drivers are generic over the bus, so that tests can put a panel behind it which decodes the byte stream
//! (`tests/what_the_panel_shows_is_what_was_drawn.rs`).

use embedded_graphics::{
    pixelcolor::{BinaryColor, Rgb565, RgbColor},
    prelude::*,
    primitives::Rectangle,
};
use embedded_hal::{delay::DelayNs, digital::OutputPin, spi::SpiDevice};
use linux_embedded_hal::{
    CdevPin, Delay, SpidevDevice,
    spidev::{SpiModeFlags, SpidevOptions},
};
use mipidsi::{
    Builder, NoResetPin,
    interface::{Interface, InterfaceKind, SpiError, SpiInterface},
    models::{ILI9341Rgb565, Model, ST7789},
    options::{ColorInversion, ColorOrder, Orientation, Rotation},
};
use ssd1306::{Ssd1306, mode::DisplayConfig as _, rotation::DisplayRotation, size::DisplaySize128x64};

use super::{Display, DisplayError, Screen, canvas::Canvas, recorded::NoDisplay, screens, texts::Texts};
use crate::{
    config::{ColourOrder, Config, DisplayConfig, DisplayDriver},
    gpio,
};

/// Bytes that go out in one transfer; the kernel's spidev takes 4096 unless told otherwise.
const BATCH: usize = 4096;

/// A panel that takes rectangles of pixels.
pub trait Panel: Send {
    /// Sends the pixels of a rectangle, row by row.
    ///
    /// # Errors
    /// What the bus said.
    fn send(&mut self, canvas: &Canvas, area: Rectangle) -> Result<(), String>;
}

/// A panel, its texts and what it shows now.
pub struct PanelDisplay {
    panel: Box<dyn Panel>,
    texts: Texts,
    shown: Option<Canvas>,
    size: Size,
    mono: bool,
    name: String,
}

impl PanelDisplay {
    /// Shows screens on a panel of this size, which is the one after rotation.
    #[must_use]
    pub fn new(panel: Box<dyn Panel>, texts: Texts, size: Size, mono: bool, name: String) -> Self {
        Self { panel, texts, shown: None, size, mono, name }
    }
}

impl Display for PanelDisplay {
    fn show(&mut self, screen: Screen) -> Result<(), DisplayError> {
        let texts = self.texts.clone();
        self.paint(&|width, height, mono| screens::draw(screen, &texts, width, height, mono))
    }

    fn paint(&mut self, paint: &dyn Fn(u32, u32, bool) -> Canvas) -> Result<(), DisplayError> {
        let canvas = paint(self.size.width, self.size.height, self.mono);
        let area = match &self.shown {
            None => Some(canvas.bounding_box()),
            Some(before) => canvas.changed_since(before),
        };
        if let Some(area) = area {
            self.panel.send(&canvas, area).map_err(DisplayError::Draw)?;
        }
        self.shown = Some(canvas);
        Ok(())
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}

/// Opens the configured display.
///
/// # Errors
/// [`DisplayError`] with what is missing.
pub fn open(config: &DisplayConfig) -> Result<Box<dyn Display>, DisplayError> {
    if config.driver == DisplayDriver::None {
        return Ok(Box::new(NoDisplay));
    }
    let spi = open_spi(config)?;
    let dc = output(&config.chip, config.dc_line, "data/command")?;
    let reset = config.reset_line.map(|line| output(&config.chip, line, "reset")).transpose()?;
    // Held as long as the panel: given back, the line may float.
    let backlight = config.backlight_line.map(|line| output(&config.chip, line, "backlight")).transpose()?;
    let mut delay = Delay;
    let name = format!(
        "display {:?} on {} ({}x{}, turned by {})",
        config.driver,
        config.spi.display(),
        config.size().0,
        config.size().1,
        config.rotation
    );
    let panel: Box<dyn Panel> = match config.driver {
        DisplayDriver::St7789 => colour_panel(ST7789, spi, dc, reset, config, &mut delay)?,
        DisplayDriver::Ili9341 => colour_panel(ILI9341Rgb565, spi, dc, reset, config, &mut delay)?,
        DisplayDriver::Ssd1306 | DisplayDriver::None => mono_panel(spi, dc, reset, config, &mut delay)?,
    };
    let mono = config.driver == DisplayDriver::Ssd1306;
    let panel: Box<dyn Panel> = Box::new(Lit { panel, _backlight: backlight });
    Ok(Box::new(PanelDisplay::new(panel, config.texts(), turned_size(config), mono, name)))
}

/// Opens the display of a configuration; an SPI device that cannot be had is told with the key that names it.
///
/// # Errors
/// As [`open`].
pub fn open_of(config: &Config) -> Result<Box<dyn Display>, DisplayError> {
    let spi = config.display.spi.display().to_string();
    open(&config.display).map_err(|error| match error {
        DisplayError::Open { ref what, .. } if *what == spi => {
            DisplayError::Configured { source: Box::new(error), place: config.written.place("display.spi") }
        }
        other => other,
    })
}

/// A panel and the line that lights it.
struct Lit {
    panel: Box<dyn Panel>,
    _backlight: Option<CdevPin>,
}

impl Panel for Lit {
    fn send(&mut self, canvas: &Canvas, area: Rectangle) -> Result<(), String> {
        self.panel.send(canvas, area)
    }
}

/// Size after rotation.
#[must_use]
pub fn turned_size(config: &DisplayConfig) -> Size {
    let (w, h) = config.size();
    let (w, h) = (u32::from(w), u32::from(h));
    if config.rotation.is_multiple_of(180) { Size::new(w, h) } else { Size::new(h, w) }
}

fn open_spi(config: &DisplayConfig) -> Result<SpidevDevice, DisplayError> {
    let failed = |e: &dyn std::fmt::Display| DisplayError::Open {
        what: config.spi.display().to_string(),
        detail: format!("{e} (is SPI switched on, `dtparam=spi=on`, and the user in group spi?)"),
    };
    let mut spi = SpidevDevice::open(&config.spi).map_err(|e| failed(&e))?;
    let mode = if config.spi_mode == 3 { SpiModeFlags::SPI_MODE_3 } else { SpiModeFlags::SPI_MODE_0 };
    let options = SpidevOptions::new().bits_per_word(8).max_speed_hz(config.clock_hz).mode(mode).build();
    spi.configure(&options).map_err(|e| failed(&e))?;
    Ok(spi)
}

fn output(label: &str, line: u32, what: &str) -> Result<CdevPin, DisplayError> {
    let failed = |detail: String| DisplayError::Open { what: format!("line {line} of {label:?} ({what})"), detail };
    let line = gpio::line(label, line).map_err(|e| failed(e.to_string()))?;
    let handle = gpio::request(&line, gpio_cdev::LineRequestFlags::OUTPUT, 1, "agegate display")
        .map_err(|e| failed(e.to_string()))?;
    CdevPin::new(handle).map_err(|e| failed(e.to_string()))
}

/// Initialises an ST7789 or ILI9341 on any bus.
///
/// # Errors
/// [`DisplayError`] if the size does not fit the controller or the bus fails.
pub fn colour_panel<M, SPI, DC, RST>(
    model: M,
    spi: SPI,
    dc: DC,
    reset: Option<RST>,
    config: &DisplayConfig,
    delay: &mut impl DelayNs,
) -> Result<Box<dyn Panel>, DisplayError>
where
    M: Model<ColorFormat = Rgb565> + Send + 'static,
    SPI: SpiDevice + Send + 'static,
    DC: OutputPin + Send + 'static,
    RST: OutputPin + Send + 'static,
{
    let rotation = match config.rotation {
        90 => Rotation::Deg90,
        180 => Rotation::Deg180,
        270 => Rotation::Deg270,
        _ => Rotation::Deg0,
    };
    let (width, height) = config.size();
    // The glass of an ILI9341 has its columns in the other order; Linux's own drivers (drm/tiny/ili9341.c, mi0283qt.c,
    // fbtft) mirror them in all four rotations too, and without that the text stands mirrored.
    let mirrored = config.driver == DisplayDriver::Ili9341;
    let builder = Builder::new(model, Batches::new(spi, dc))
        .display_size(width, height)
        .display_offset(config.offset_x, config.offset_y)
        .color_order(match config.colour_order() {
            ColourOrder::Rgb => ColorOrder::Rgb,
            ColourOrder::Bgr => ColorOrder::Bgr,
        })
        .invert_colors(if config.invert { ColorInversion::Inverted } else { ColorInversion::Normal })
        .orientation(Orientation { rotation, mirrored });
    let size = |e: String| {
        DisplayError::Size(format!(
            "{}x{} at offset {},{} does not fit the controller or it does not answer: {e}",
            width, height, config.offset_x, config.offset_y
        ))
    };
    Ok(match reset {
        Some(pin) => Box::new(Colour(builder.reset_pin(pin).init(delay).map_err(|e| size(format!("{e:?}")))?)),
        None => Box::new(Colour::<_, _, NoResetPin>(builder.init(delay).map_err(|e| size(format!("{e:?}")))?)),
    })
}

/// The interface of `mipidsi` with a buffer of its own: the crate's borrows one for ever, and a panel that is opened again
/// every two seconds would take another one each time.
struct Batches<SPI, DC> {
    spi: SPI,
    dc: DC,
    buffer: Vec<u8>,
}

impl<SPI: SpiDevice, DC: OutputPin> Batches<SPI, DC> {
    fn new(spi: SPI, dc: DC) -> Self {
        Self { spi, dc, buffer: vec![0; BATCH] }
    }

    fn borrowed(&mut self) -> SpiInterface<'_, &mut SPI, &mut DC> {
        SpiInterface::new(&mut self.spi, &mut self.dc, &mut self.buffer)
    }
}

impl<SPI: SpiDevice, DC: OutputPin> Interface for Batches<SPI, DC> {
    type Word = u8;
    type Error = SpiError<SPI::Error, DC::Error>;

    const KIND: InterfaceKind = InterfaceKind::Serial4Line;

    fn send_command(&mut self, command: u8, args: &[u8]) -> Result<(), Self::Error> {
        self.borrowed().send_command(command, args)
    }

    fn send_pixels<const N: usize>(&mut self, pixels: impl IntoIterator<Item = [u8; N]>) -> Result<(), Self::Error> {
        self.borrowed().send_pixels(pixels)
    }

    fn send_repeated_pixel<const N: usize>(&mut self, pixel: [u8; N], count: u32) -> Result<(), Self::Error> {
        self.borrowed().send_repeated_pixel(pixel, count)
    }
}

struct Colour<DI, M, RST>(mipidsi::Display<DI, M, RST>)
where
    DI: mipidsi::interface::Interface,
    M: Model,
    M::ColorFormat: mipidsi::interface::InterfacePixelFormat<DI::Word>,
    RST: OutputPin;

impl<DI, M, RST> Panel for Colour<DI, M, RST>
where
    DI: mipidsi::interface::Interface + Send,
    M: Model<ColorFormat = Rgb565> + Send,
    Rgb565: mipidsi::interface::InterfacePixelFormat<DI::Word>,
    RST: OutputPin + Send,
{
    fn send(&mut self, canvas: &Canvas, area: Rectangle) -> Result<(), String> {
        self.0.fill_contiguous(&area, canvas.part(area)).map_err(|e| format!("{e:?}"))
    }
}

/// Initialises an SSD1306 of 128x64 on any bus.
///
/// # Errors
/// [`DisplayError`] if the bus fails.
pub fn mono_panel<SPI, DC, RST>(
    spi: SPI,
    dc: DC,
    reset: Option<RST>,
    config: &DisplayConfig,
    delay: &mut impl DelayNs,
) -> Result<Box<dyn Panel>, DisplayError>
where
    SPI: SpiDevice + Send + 'static,
    DC: OutputPin + Send + 'static,
    RST: OutputPin,
{
    let rotation = match config.rotation {
        90 => DisplayRotation::Rotate90,
        180 => DisplayRotation::Rotate180,
        270 => DisplayRotation::Rotate270,
        _ => DisplayRotation::Rotate0,
    };
    let failed = |e: String| DisplayError::Draw(e);
    if let Some(mut reset) = reset {
        for high in [true, false, true] {
            let result = if high { reset.set_high() } else { reset.set_low() };
            result.map_err(|e| failed(format!("reset: {e:?}")))?;
            delay.delay_ms(2);
        }
    }
    let mut panel = Ssd1306::new(display_interface_spi::SPIInterface::new(spi, dc), DisplaySize128x64, rotation)
        .into_buffered_graphics_mode();
    panel.init().map_err(|e| failed(format!("{e:?}")))?;
    Ok(Box::new(Mono(panel)))
}

struct Mono<DI>(Ssd1306<DI, DisplaySize128x64, ssd1306::mode::BufferedGraphicsMode<DisplaySize128x64>>);

impl<DI: ssd1306::prelude::WriteOnlyDataCommand + Send> Panel for Mono<DI> {
    fn send(&mut self, canvas: &Canvas, area: Rectangle) -> Result<(), String> {
        let bit = |c: Rgb565| if c.g() > 31 { BinaryColor::On } else { BinaryColor::Off };
        let pixels = area.points().zip(canvas.part(area)).map(|(p, c)| Pixel(p, bit(c)));
        self.0.draw_iter(pixels).map_err(|e| format!("{e:?}"))?;
        self.0.flush().map_err(|e| format!("{e:?}"))
    }
}
