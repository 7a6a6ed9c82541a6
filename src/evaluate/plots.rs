//! The plots of the evaluation report, as SVG: what is drawn, not what it means.

use plotters::prelude::*;

use super::{
    Reading,
    figures::{Part, ReliabilityBin},
    report::{TradeOff, TradeOffPoint},
    statistics::Interval,
};

/// An SVG, or why there is none.
pub(super) type Plot = Result<String, Box<dyn std::error::Error>>;

/// A plot drawn to SVG that scales with the page.
fn svg(
    size: (u32, u32),
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Result<(), Box<dyn std::error::Error>>,
) -> Plot {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
    }
    // Without fixed sizes the page's width decides.
    let fixed = format!("<svg width=\"{}\" height=\"{}\"", size.0, size.1);
    Ok(text.replacen(&fixed, "<svg role=\"img\"", 1))
}

const BLUE: RGBColor = RGBColor(20, 90, 170);
const RED: RGBColor = RGBColor(190, 40, 40);
const AMBER: RGBColor = RGBColor(210, 140, 20);
const FONT: (&str, i32) = ("sans-serif", 15);

pub(super) fn density(readings: &[Reading]) -> Plot {
    const BIN: i32 = 2;
    let mut counts = vec![vec![0usize; 51]; 51];
    let bin = |age: f32| ((age / BIN as f32) as usize).min(50);
    for r in readings {
        // Of a range the middle: a picture has one place in the plot.
        let (first, last) = r.sample.age.ages().into_inner();
        counts[bin((first + last) as f32 / 2.0)][bin(r.estimate.years())] += 1;
    }
    let most = counts.iter().flatten().copied().max().unwrap_or(1).max(1) as f64;
    svg((640, 560), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(48)
            .build_cartesian_2d(0..100, 0..100)?;
        chart
            .configure_mesh()
            .x_desc("true age, years")
            .y_desc("estimated age, years")
            .label_style(FONT)
            .light_line_style(WHITE)
            .draw()?;
        let cells = counts
            .iter()
            .enumerate()
            .flat_map(|(x, column)| column.iter().enumerate().map(move |(y, n)| (x as i32, y as i32, *n)));
        chart.draw_series(cells.filter(|(_, _, n)| *n > 0).map(|(x, y, n)| {
            // The square root shows the single pictures beside the crowded years.
            let strength = 0.12 + 0.88 * (n as f64 / most).sqrt();
            Rectangle::new([(x * BIN, y * BIN), ((x + 1) * BIN, (y + 1) * BIN)], BLUE.mix(strength).filled())
        }))?;
        chart.draw_series(LineSeries::new([(0, 0), (100, 100)], RED.stroke_width(2)))?;
        Ok(())
    })
}

pub(super) fn errors(parts: &[Part]) -> Plot {
    let names: Vec<String> = parts.iter().map(|p| p.name.clone()).collect();
    let count = parts.len() as f64;
    let top = parts.iter().filter_map(|p| p.mae_years).map(|i| i.high).fold(4.0, f64::max).ceil();
    let bottom = parts.iter().filter_map(|p| p.bias_years).map(|i| i.low).fold(0.0, f64::min).floor();
    svg((640, 360), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(48)
            .build_cartesian_2d(0.0..count, bottom..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(parts.len() * 2 + 1)
            .x_label_formatter(&|x| {
                if (x.fract() - 0.5).abs() < 0.1 {
                    names.get(*x as usize).cloned().unwrap_or_default()
                } else {
                    String::new()
                }
            })
            .y_desc("years")
            .label_style(FONT)
            .draw()?;
        for (shift, colour, label, pick) in [(0.36, BLUE, "MAE", 0), (0.64, AMBER, "bias", 1)] {
            let points = parts.iter().enumerate().filter_map(|(k, p)| {
                let interval = if pick == 0 { p.mae_years } else { p.bias_years }?;
                Some((k as f64 + shift, interval))
            });
            chart
                .draw_series(points.map(|(x, i)| {
                    ErrorBar::new_vertical(x, i.low, i.value, i.high, colour.filled().stroke_width(2), 9)
                }))?
                .label(label)
                .legend(move |(x, y)| Circle::new((x + 8, y), 4, colour.filled()));
        }
        chart.draw_series(LineSeries::new([(0.0, 0.0), (count, 0.0)], BLACK.mix(0.4)))?;
        chart.configure_series_labels().border_style(BLACK.mix(0.2)).background_style(WHITE).label_font(FONT).draw()?;
        Ok(())
    })
}

pub(super) fn trade_off_plot(t: &TradeOff) -> Plot {
    svg((640, 340), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(52)
            .build_cartesian_2d(0.5f64..1.0, 0.0f64..100.0)?;
        chart
            .configure_mesh()
            .x_desc("confidence")
            .y_desc("share, %")
            .label_style(FONT)
            .light_line_style(WHITE)
            .draw()?;
        // The two oldest bands of minors, who are the hardest to tell, and the adults.
        type Pick = Box<dyn Fn(&TradeOffPoint) -> Option<Interval>>;
        let oldest = t.points.first().map_or(&[][..], |p| &p.false_accept);
        let mut lines: Vec<(RGBColor, String, Pick)> = Vec::new();
        for (colour, (k, band)) in [RED, AMBER].into_iter().zip(oldest.iter().enumerate().rev()) {
            lines.push((colour, format!("{} let in", band.ages), Box::new(move |p| p.false_accept[k].share)));
        }
        lines.push((BLUE, "adults asked for ID".into(), Box::new(|p| p.false_reject)));
        for (colour, label, pick) in lines {
            let points = t.points.iter().filter_map(|p| Some((f64::from(p.confidence), pick(p)?.value * 100.0)));
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
                .label(label)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        chart.configure_series_labels().border_style(BLACK.mix(0.2)).background_style(WHITE).label_font(FONT).draw()?;
        Ok(())
    })
}

pub(super) fn reliability_plot(before: &[ReliabilityBin], after: &[ReliabilityBin]) -> Plot {
    svg((520, 480), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(52)
            .build_cartesian_2d(0.0f64..1.0, 0.0f64..1.0)?;
        chart
            .configure_mesh()
            .x_desc("stated P(age >= T)")
            .y_desc("share that is")
            .label_style(FONT)
            .light_line_style(WHITE)
            .draw()?;
        chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], BLACK.mix(0.4)))?;
        for (bins, colour, label) in [(before, AMBER, "before"), (after, BLUE, "after")] {
            let points: Vec<(f64, f64)> = bins.iter().map(|b| (b.stated, b.found)).collect();
            chart
                .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?
                .label(label)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
            chart.draw_series(points.into_iter().map(|p| Circle::new(p, 4, colour.filled())))?;
        }
        chart.configure_series_labels().border_style(BLACK.mix(0.2)).background_style(WHITE).label_font(FONT).draw()?;
        Ok(())
    })
}
