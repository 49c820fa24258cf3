//! Pixels: rectangles, hatching and words, written as a PNG. The same strokes give the same bytes.

use crate::error::{Failure, Kind, Result, quote};
use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _, point};

/// Red, green and blue.
pub(super) type Colour = [u8; 3];

/// A part of the picture: columns and rows from `left`, `top` up to, and not including, `right`, `bottom`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) right: u32,
    pub(super) bottom: u32,
}

/// Latin and Cyrillic of `DejaVu` Sans; its licence is beside it.
static FONT: &[u8] = include_bytes!("../../../assets/DejaVuSans.ttf");

/// The longest text that is measured, in characters.
const LONGEST: usize = 200;

/// How far apart the lines of a hatching are, and how thick, in pixels.
const HATCH: (u32, u32) = (10, 3);

/// A picture in the making.
pub(super) struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
    font: FontRef<'static>,
}

impl Canvas {
    /// A picture of one colour.
    pub(super) fn new(width: u32, height: u32, colour: Colour) -> Self {
        let pixels = colour.repeat(width as usize * height as usize);
        let font = FontRef::try_from_slice(FONT).expect("the font is part of this program");
        Self { width, height, pixels, font }
    }

    /// Fills an area.
    pub(super) fn fill(&mut self, area: Area, colour: Colour) {
        let row = colour.repeat((area.right - area.left) as usize);
        for y in area.top..area.bottom {
            let at = self.at(area.left, y);
            self.pixels[at..at + row.len()].copy_from_slice(&row);
        }
    }

    /// Draws slanted lines over an area; lines of areas that touch meet.
    pub(super) fn hatch(&mut self, area: Area, colour: Colour) {
        for y in area.top..area.bottom {
            for x in (area.left..area.right).filter(|x| (x + y) % HATCH.0 < HATCH.1) {
                let at = self.at(x, y);
                self.pixels[at..at + 3].copy_from_slice(&colour);
            }
        }
    }

    /// How wide a text of this size is, in pixels.
    pub(super) fn measure(&self, text: &str, size: f32) -> f32 {
        let font = self.font.as_scaled(PxScale::from(size));
        text.chars().map(|sign| font.h_advance(font.glyph_id(sign))).sum()
    }

    /// Foreign words as they can be written: signs that the font cannot show and that are no letters, such as emoji, are
    /// left out.
    pub(super) fn shown(&self, text: &str) -> String {
        let shown = |sign: &char| self.font.glyph_id(*sign).0 != 0 || sign.is_alphanumeric();
        let text: String = quote(text, LONGEST).chars().filter(shown).collect();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The text, or its beginning and `…`, as it fits into `width` pixels.
    pub(super) fn fitting(&self, text: &str, size: f32, width: f32) -> String {
        let mut text = text.to_owned();
        if self.measure(&text, size) <= width {
            return text;
        }
        while !text.is_empty() && self.measure(&text, size) + self.measure("…", size) > width {
            text.pop();
        }
        format!("{}…", text.trim_end())
    }

    /// Beginning and end of a text that is too long for `width` pixels, with `…` between them; the end gets this share.
    pub(super) fn fitting_ends(&self, text: &str, size: f32, width: f32, share: f32) -> String {
        let signs: Vec<char> = text.chars().collect();
        let room = width - self.measure("…", size);
        let taken = |signs: &mut dyn Iterator<Item = &char>, room: f32| {
            let mut used = 0.0;
            signs
                .take_while(|sign| {
                    used += self.measure(sign.encode_utf8(&mut [0; 4]), size);
                    used <= room
                })
                .count()
        };
        let tail: String =
            signs[signs.len() - taken(&mut signs.iter().rev(), room * share)..].iter().collect();
        let left = room - self.measure(&tail, size);
        let head: String = signs[..taken(&mut signs.iter(), left)].iter().collect();
        format!("{}…{}", head.trim_end(), tail.trim_start())
    }

    /// Writes a text whose left end is at `x` and that stands on the line `y`.
    pub(super) fn write(&mut self, text: &str, (x, y): (f32, f32), size: f32, colour: Colour) {
        let font = self.font.clone();
        let scaled = font.as_scaled(PxScale::from(size));
        let mut x = x;
        for sign in text.chars() {
            let id = scaled.glyph_id(sign);
            let glyph = id.with_scale_and_position(PxScale::from(size), point(x, y));
            x += scaled.h_advance(id);
            let Some(outline) = font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            outline.draw(|dx, dy, cover| {
                self.blend((corner.x + dx as f32, corner.y + dy as f32), colour, cover);
            });
        }
    }

    /// Writes a text whose right end is at `x`.
    pub(super) fn write_left_of(&mut self, text: &str, (x, y): (f32, f32), size: f32, colour: Colour) {
        let left = x - self.measure(text, size);
        self.write(text, (left, y), size, colour);
    }

    /// Writes a text whose middle is at `x`.
    pub(super) fn write_around(&mut self, text: &str, (x, y): (f32, f32), size: f32, colour: Colour) {
        let left = x - self.measure(text, size) / 2.0;
        self.write(text, (left, y), size, colour);
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked against the edges")]
    fn blend(&mut self, (x, y): (f32, f32), colour: Colour, cover: f32) {
        if x < 0.0 || y < 0.0 || x >= self.width as f32 || y >= self.height as f32 {
            return;
        }
        let at = self.at(x as u32, y as u32);
        for (pixel, colour) in self.pixels[at..at + 3].iter_mut().zip(colour) {
            let mixed = f32::from(*pixel) + (f32::from(colour) - f32::from(*pixel)) * cover.clamp(0.0, 1.0);
            *pixel = mixed.round() as u8;
        }
    }

    fn at(&self, x: u32, y: u32) -> usize {
        3 * (y as usize * self.width as usize + x as usize)
    }

    /// The picture as a PNG.
    pub(super) fn png(&self) -> Result<Vec<u8>> {
        let failure = |error: png::EncodingError| {
            Failure::new(Kind::Internal, "the picture cannot be written").source(error)
        };
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header().map_err(failure)?;
        writer.write_image_data(&self.pixels).map_err(failure)?;
        writer.finish().map_err(failure)?;
        Ok(bytes)
    }
}
