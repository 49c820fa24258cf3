//! The report as a picture: each product's day as a bar over the working hours.
//!
//! 1,080 pixels wide, because telephones are held upright; as high as its products make it. It names as many products as
//! the text: Telegram scales what is longer than 2,560 pixels, and nobody could read it.

use super::{
    Day, Product, Span,
    canvas::{Area, Canvas, Colour},
    text::{self, MOST, clock, hours},
};
use crate::{error::Result, humanize::plural};
use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use std::collections::BTreeSet;

const WIDTH: u32 = 1080;
const MARGIN: u32 = 24;
/// The hours go from here to there.
const PLOT: (u32, u32) = (430, 950);
/// The names end here.
const NAMES_END: u32 = PLOT.0 - 14;
/// Where the first row begins: below title, legend and hours.
const TOP: u32 = 156;
/// The height of a row, and what of it stays free above and below its bar.
const ROW: u32 = 44;
const BAR_MARGIN: u32 = 9;
/// Below the rows: the sum.
const FOOT: u32 = 64;
/// A stop is never less than so many pixels wide, so that it is seen.
const LEAST: u32 = 3;

const TITLE: f32 = 34.0;
const TEXT: f32 = 25.0;
const SMALL: f32 = 20.0;

const PAPER: Colour = [255, 255, 255];
const STRIPE: Colour = [245, 247, 249];
const GRID: Colour = [214, 219, 226];
const INK: Colour = [28, 36, 46];
const MUTED: Colour = [96, 108, 122];
const STOP: Colour = [211, 58, 58];
const UNKNOWN: (Colour, Colour) = ([236, 238, 241], [176, 184, 194]);

/// Draws a day as a PNG.
pub fn draw(day: &Day) -> Result<Vec<u8>> {
    let shown = &day.products[..day.products.len().min(MOST)];
    let canvas = Canvas::new(WIDTH, height(day), PAPER);
    let names = labels(&canvas, shown);
    let mut sheet = Sheet { day, canvas, rows: rows(day) };
    sheet.head();
    sheet.grid();
    for (row, (product, name)) in (0..).zip(shown.iter().zip(&names)) {
        sheet.product(row, product, name);
    }
    if shown.is_empty() {
        sheet.emptiness();
    }
    sheet.foot();
    sheet.canvas.png()
}

/// The products' names as they fit beside their bars. A long one loses its end; where that makes two names alike, each
/// loses its middle, if that tells them apart.
fn labels(canvas: &Canvas, products: &[Product]) -> Vec<String> {
    let width = (NAMES_END - MARGIN) as f32;
    let whole: Vec<String> = products.iter().map(|product| canvas.shown(&product.name)).collect();
    let cut: Vec<String> = whole.iter().map(|name| canvas.fitting(name, TEXT, width)).collect();
    let labelled = |(label, name): (&String, &String)| {
        let alike: BTreeSet<&String> =
            cut.iter().zip(&whole).filter(|(other, _)| *other == label).map(|(_, name)| name).collect();
        if alike.len() < 2 {
            return label.clone();
        }
        let ends = |name: &str, share| canvas.fitting_ends(name, TEXT, width, share);
        let tells_apart = |share: &&f32| {
            alike.iter().map(|name| ends(name, **share)).collect::<BTreeSet<_>>().len() == alike.len()
        };
        END_SHARES.iter().find(tells_apart).map_or_else(|| label.clone(), |share| ends(name, *share))
    };
    cut.iter().zip(&whole).map(labelled).collect()
}

/// How much of a name that loses its middle is its end; more where less does not tell it from others.
const END_SHARES: [f32; 3] = [0.5, 0.7, 0.9];

/// How many rows there are: one a product, and one for the others.
fn rows(day: &Day) -> u32 {
    let shown = day.products.len().min(MOST);
    u32::try_from(shown.max(1) + usize::from(day.products.len() > shown)).unwrap_or(1)
}

fn height(day: &Day) -> u32 {
    TOP + rows(day) * ROW + FOOT
}

/// The row's beginning and end, in pixels from above.
fn row_at(row: u32) -> (u32, u32) {
    (TOP + row * ROW, TOP + (row + 1) * ROW)
}

/// How far right a moment is, as a share of the hours in pixels; real time, also where clocks are changed.
fn across(day: &Day, at: DateTime<Utc>) -> f64 {
    let all = day.hours.span;
    let share = (at - all.from).num_milliseconds() as f64 / all.length().num_milliseconds() as f64;
    f64::from(PLOT.0) + share * f64::from(PLOT.1 - PLOT.0)
}

/// The columns of a span: every one that it touches.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "both lie between the edges of the plot"
)]
fn columns(day: &Day, span: Span) -> (u32, u32) {
    (across(day, span.from).floor() as u32, across(day, span.to).ceil() as u32)
}

/// The columns of a stop, which is never too narrow to be seen.
fn stop_columns(day: &Day, span: Span) -> (u32, u32) {
    let (from, to) = columns(day, span);
    let to = to.max(from + LEAST).min(PLOT.1);
    (from.min(to - LEAST), to)
}

struct Sheet<'a> {
    day: &'a Day,
    canvas: Canvas,
    rows: u32,
}

impl Sheet<'_> {
    /// The title and the legend.
    fn head(&mut self) {
        let title = format!("Стоп-лист за {}", self.day.hours.date.format("%d.%m.%Y"));
        self.canvas.write(&title, (MARGIN as f32, 50.0), TITLE, INK);
        if self.day.is_in_progress() {
            let until = format!("данные на {}", clock(self.day, self.day.until));
            self.canvas.write_left_of(&until, ((WIDTH - MARGIN) as f32, 50.0), TEXT, MUTED);
        }
        let box_at = |left: u32| Area { left, top: 76, right: left + 30, bottom: 98 };
        self.canvas.fill(box_at(MARGIN), STOP);
        self.canvas.write("в стопе", (MARGIN as f32 + 40.0, 95.0), SMALL, MUTED);
        if !self.day.gaps.is_empty() {
            let area = box_at(MARGIN + 160);
            self.canvas.fill(area, UNKNOWN.0);
            self.canvas.hatch(area, UNKNOWN.1);
            let part = if self.day.partly {
                "нет данных по части заведений"
            } else {
                "нет данных"
            };
            self.canvas.write(part, (MARGIN as f32 + 200.0, 95.0), SMALL, MUTED);
        }
    }

    /// Stripes, gaps, and a line for every full hour of the wall clocks.
    fn grid(&mut self) {
        let bottom = TOP + self.rows * ROW;
        for row in (0..self.rows).filter(|row| row % 2 == 0) {
            let (top, bottom) = row_at(row);
            self.canvas.fill(Area { left: MARGIN, top, right: WIDTH - MARGIN, bottom }, STRIPE);
        }
        for gap in &self.day.gaps {
            let (left, right) = columns(self.day, *gap);
            let area = Area { left, top: TOP, right, bottom };
            self.canvas.fill(area, UNKNOWN.0);
            self.canvas.hatch(area, UNKNOWN.1);
        }
        let hours = full_hours(self.day);
        // Labels need 36 pixels.
        let step = hours.len().div_ceil(((PLOT.1 - PLOT.0) / 36) as usize).max(1);
        for (number, at) in hours.iter().enumerate() {
            let (left, _) = columns(self.day, Span { from: *at, to: *at });
            self.canvas.fill(Area { left, top: TOP - 8, right: left + 1, bottom }, GRID);
            if number % step == 0 {
                let label = at.with_timezone(&self.day.hours.zone).format("%H").to_string();
                self.canvas.write_around(&label, (left as f32, TOP as f32 - 15.0), SMALL, MUTED);
            }
        }
        if self.day.is_in_progress() {
            let (left, _) = columns(self.day, Span { from: self.day.until, to: self.day.until });
            self.canvas.fill(Area { left, top: TOP - 8, right: left + 2, bottom }, INK);
        }
    }

    fn product(&mut self, row: u32, product: &Product, name: &str) {
        let (top, bottom) = row_at(row);
        let line = bottom as f32 - 14.0;
        self.canvas.write(name, (MARGIN as f32, line), TEXT, INK);
        for stop in &product.stops {
            let (left, right) = stop_columns(self.day, *stop);
            self.canvas.fill(Area { left, top: top + BAR_MARGIN, right, bottom: bottom - BAR_MARGIN }, STOP);
        }
        let time = hours(product.minutes());
        self.canvas.write_left_of(&time, ((WIDTH - MARGIN) as f32, line), TEXT, INK);
    }

    /// What stands where no product does.
    fn emptiness(&mut self) {
        let said = match (self.day.known, self.day.gaps.is_empty()) {
            (false, _) => "нет данных",
            (true, false) => "стопов не замечено",
            (true, true) => "стопов не было",
        };
        self.canvas.write(said, (MARGIN as f32, row_at(0).1 as f32 - 14.0), TEXT, MUTED);
    }

    /// The others, and the sum.
    fn foot(&mut self) {
        let count = self.day.products.len();
        if let Some(more) = count.checked_sub(MOST).filter(|more| *more > 0) {
            let words = plural(more as u64, ["позиция", "позиции", "позиций"]);
            let line = row_at(self.rows - 1).1 as f32 - 14.0;
            self.canvas.write(&format!("…и ещё {more} {words}"), (MARGIN as f32, line), TEXT, MUTED);
        }
        let bottom = TOP + self.rows * ROW;
        self.canvas.fill(Area { left: MARGIN, top: bottom, right: WIDTH - MARGIN, bottom: bottom + 2 }, GRID);
        let line = bottom as f32 + 38.0;
        self.canvas.write(&format!("Всего позиций: {count}"), (MARGIN as f32, line), TEXT, INK);
        let sum = format!("суммарно {}", text::hours(self.day.minutes()));
        self.canvas.write_left_of(&sum, ((WIDTH - MARGIN) as f32, line), TEXT, INK);
    }
}

/// The moments of the day at which the wall clocks show a full hour.
fn full_hours(day: &Day) -> Vec<DateTime<Utc>> {
    let span = day.hours.span;
    let minutes = (0..=span.length().num_minutes()).map(|minute| span.from + TimeDelta::minutes(minute));
    minutes.filter(|at| at.with_timezone(&day.hours.zone).minute() == 0).collect()
}

#[cfg(test)]
mod tests;
