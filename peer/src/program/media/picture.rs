//! The picture of the test pattern: colour bars, a clock, and a block that wanders.
//!
//! ```text
//!  ┌──┬──┬──┬──┬──┬──┬──┬──┐   bars of the eight corners of the colour cube, brightest first
//!  │  │  │  │  │  │  │  │  │
//!  ├──┴──┴──┴──┴──┴──┴──┴──┤
//!  │     12:34:56.7        │   time of day (UTC), seven segments for each digit
//!  │ ▓▓                    │   once from left to right in two seconds
//!  └───────────────────────┘
//! ```

use std::time::Duration;

/// Pixels in a row.
pub(super) const WIDTH: u16 = 320;

/// Rows.
pub(super) const HEIGHT: u16 = 240;

/// How long the block takes from left to right.
const LAP: Duration = Duration::from_secs(2);

type Colour = [u8; 3];

const WHITE: Colour = [235, 235, 235];
const BLACK: Colour = [16, 16, 16];
const GREEN: Colour = [60, 230, 90];
const ORANGE: Colour = [240, 150, 30];

const BARS: [Colour; 8] = [
    WHITE,
    [235, 235, 16],
    [16, 235, 235],
    [16, 235, 16],
    [235, 16, 235],
    [235, 16, 16],
    [16, 16, 235],
    BLACK,
];

/// Where the bars end.
const BARS_HEIGHT: u16 = 120;

/// The upper left corner of the clock.
const CLOCK: (u16, u16) = (42, 140);

/// A digit's width, height and thickness, and the room it takes.
const DIGIT: (u16, u16, u16) = (22, 44, 5);
const ADVANCE: u16 = 29;
/// The room that a colon or a point takes.
const POINT_ADVANCE: u16 = 12;

/// The rows of the block.
const BLOCK: (u16, u16) = (204, 24);

/// Which segments light for each digit, from the lowest bit: top, upper right, lower right, bottom,
/// lower left, upper left, middle.
const SEGMENTS: [u8; 10] = [
    0b011_1111, 0b000_0110, 0b101_1011, 0b100_1111, 0b110_0110, 0b110_1101, 0b111_1101, 0b000_0111,
    0b111_1111, 0b110_1111,
];

/// Draws the picture of one moment, `since_midnight`: three octets a pixel, rows from the top.
pub(super) fn draw(since_midnight: Duration) -> Vec<u8> {
    let mut canvas = Canvas { pixels: BLACK.repeat(usize::from(WIDTH) * usize::from(HEIGHT)) };
    let width = WIDTH / 8;
    for (colour, left) in BARS.into_iter().zip((0..).step_by(usize::from(width))) {
        canvas.fill(left, 0, width, BARS_HEIGHT, colour);
    }
    canvas.clock(since_midnight);
    let lap = since_midnight.as_millis() % LAP.as_millis();
    let left = lap * u128::from(WIDTH) / LAP.as_millis();
    canvas.fill(u16::try_from(left).unwrap_or(0), BLOCK.0, BLOCK.1, BLOCK.1, ORANGE);
    canvas.pixels
}

struct Canvas {
    pixels: Vec<u8>,
}

impl Canvas {
    /// Fills a rectangle, as far as it is in the picture.
    fn fill(&mut self, left: u16, top: u16, width: u16, height: u16, colour: Colour) {
        let right = left.saturating_add(width).min(WIDTH);
        for row in top..top.saturating_add(height).min(HEIGHT) {
            let start = (usize::from(row) * usize::from(WIDTH) + usize::from(left)) * 3;
            let end = (usize::from(row) * usize::from(WIDTH) + usize::from(right)) * 3;
            for pixel in self.pixels.get_mut(start..end).unwrap_or_default().chunks_exact_mut(3) {
                pixel.copy_from_slice(&colour);
            }
        }
    }

    /// Hours, minutes, seconds and tenths.
    fn clock(&mut self, since_midnight: Duration) {
        let seconds = since_midnight.as_secs();
        let text = format!(
            "{:02}:{:02}:{:02}.{}",
            seconds / 3600 % 24,
            seconds / 60 % 60,
            seconds % 60,
            since_midnight.subsec_millis() / 100
        );
        let (mut left, top) = CLOCK;
        let (_, height, thickness) = DIGIT;
        for character in text.chars() {
            match character.to_digit(10) {
                Some(digit) => {
                    self.digit(digit, left, top);
                    left += ADVANCE;
                }
                None => {
                    if character == ':' {
                        self.fill(left, top + height / 3, thickness, thickness, GREEN);
                    }
                    let low = if character == ':' { height * 2 / 3 } else { height - thickness };
                    self.fill(left, top + low, thickness, thickness, GREEN);
                    left += POINT_ADVANCE;
                }
            }
        }
    }

    fn digit(&mut self, digit: u32, left: u16, top: u16) {
        let (width, height, thick) = DIGIT;
        let (right, middle, bottom) =
            (left + width - thick, top + (height - thick) / 2, top + height - thick);
        let half = height / 2;
        let places = [
            (left, top, width, thick),
            (right, top, thick, half),
            (right, top + half, thick, half),
            (left, bottom, width, thick),
            (left, top + half, thick, half),
            (left, top, thick, half),
            (left, middle, width, thick),
        ];
        let lit = usize::try_from(digit).ok().and_then(|digit| SEGMENTS.get(digit)).unwrap_or(&0);
        for (index, (x, y, width, height)) in places.into_iter().enumerate() {
            if lit >> index & 1 == 1 {
                self.fill(x, y, width, height, GREEN);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixel(pixels: &[u8], x: u16, y: u16) -> Colour {
        let index = (usize::from(y) * usize::from(WIDTH) + usize::from(x)) * 3;
        pixels[index..index + 3].try_into().unwrap()
    }

    #[test]
    fn bars_clock_and_block_are_where_they_should_be() {
        let pixels = draw(Duration::from_millis(500));
        assert_eq!(pixels.len(), 320 * 240 * 3);
        assert_eq!(pixel(&pixels, 5, 5), WHITE);
        assert_eq!(pixel(&pixels, 215, 5), BARS[5]);
        // A 0 has no middle segment.
        assert_eq!(pixel(&pixels, CLOCK.0 + 2, CLOCK.1 + 2), GREEN);
        assert_eq!(pixel(&pixels, CLOCK.0 + 11, CLOCK.1 + 21), BLACK);
        // A quarter of the lap.
        assert_eq!(pixel(&pixels, 81, BLOCK.0 + 2), ORANGE);
        assert_eq!(pixel(&pixels, 78, BLOCK.0 + 2), BLACK);
        // 8 has all segments: 08:00:00.
        let pixels = draw(Duration::from_secs(8 * 3600));
        assert_eq!(pixel(&pixels, CLOCK.0 + ADVANCE + 11, CLOCK.1 + 21), GREEN);
    }

    #[test]
    fn every_moment_can_be_drawn() {
        for milliseconds in (0..200_000_000_u64).step_by(7_654_321) {
            assert_eq!(draw(Duration::from_millis(milliseconds)).len(), 320 * 240 * 3);
        }
    }
}
