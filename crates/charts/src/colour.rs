//! Colours that the colour-blind can tell apart.

/// Red, green and blue.
pub(crate) type Colour = (u8, u8, u8);

/// Of text.
pub(crate) const INK: Colour = (34, 34, 34);
/// Of what matters less.
pub(crate) const MUTED: Colour = (110, 110, 110);
/// Of axes.
pub(crate) const AXIS: Colour = (150, 150, 150);
/// Of lines behind the data.
pub(crate) const GRID: Colour = (230, 230, 230);
pub(crate) const PAPER: Colour = (255, 255, 255);

/// Lines that have a colour each, at most.
pub(crate) const APART: usize = 7;

/// The palette of Okabe and Ito (2008) without yellow, which is not seen on white.
const PALETTE: [Colour; APART] =
    [(0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (34, 34, 34)];

/// The colour of one of few.
pub(crate) fn of_few(place: usize) -> Colour {
    PALETTE[place % APART]
}

/// Eleven of the colours of viridis, from its authors' table, without the lightest, which is not seen on white.
const VIRIDIS: [Colour; 11] = [
    (68, 1, 84),
    (72, 33, 115),
    (67, 62, 133),
    (56, 88, 140),
    (45, 112, 142),
    (37, 133, 142),
    (30, 155, 138),
    (42, 176, 127),
    (82, 197, 105),
    (134, 213, 73),
    (194, 223, 35),
];

/// The colour of a value from 0 to 1: darker is less.
pub(crate) fn of_value(value: f64) -> Colour {
    let place = value.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let below = (place.floor() as usize).min(VIRIDIS.len() - 2);
    let part = place - below as f64;
    let (from, to) = (VIRIDIS[below], VIRIDIS[below + 1]);
    let mix = |from: u8, to: u8| (f64::from(from) + (f64::from(to) - f64::from(from)) * part).round() as u8;
    (mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_from_dark_to_light() {
        assert_eq!(of_value(0.0), (68, 1, 84));
        assert_eq!(of_value(1.0), (194, 223, 35));
        assert_eq!(of_value(0.05), (70, 17, 100));
        let light = |(red, green, blue): Colour| u32::from(red) * 3 + u32::from(green) * 6 + u32::from(blue);
        let values: Vec<u32> = (0..=20).map(|place| light(of_value(f64::from(place) / 20.0))).collect();
        assert!(values.is_sorted(), "{values:?}");
    }
}
