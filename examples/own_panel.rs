//! A panel of one's own: here a terminal, which shows the words of each screen and its picture in coarse blocks.
//! `cargo run --release --example own_panel`

#![allow(clippy::print_stdout, reason = "an example prints")]

use agegate::display::{Display, DisplayError, Screen, recorded::RecordedDisplay, texts::Texts};

struct Terminal {
    drawn: RecordedDisplay,
}

impl Display for Terminal {
    fn show(&mut self, screen: Screen) -> Result<(), DisplayError> {
        let picture = self.drawn.picture(screen).to_rgb();
        println!("{screen:?}");
        for y in (0..picture.height()).step_by(20) {
            let line = (0..picture.width()).step_by(10).map(|x| match picture.get_pixel(x, y).0 {
                [r, g, b] if u16::from(r) + u16::from(g) + u16::from(b) > 300 => '#',
                _ => '.',
            });
            println!("  {}", line.collect::<String>());
        }
        Ok(())
    }

    fn describe(&self) -> String {
        "a terminal".into()
    }
}

fn main() -> Result<(), DisplayError> {
    let mut panel = Terminal { drawn: RecordedDisplay::new(Texts::shipped("en"), 240, 320) };
    for screen in [Screen::Idle, Screen::Welcome, Screen::ShowId] {
        panel.show(screen)?;
    }
    Ok(())
}
