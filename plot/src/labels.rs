//! Placement of names in pictures, so that they don't cover each other.

use crate::axis::Frame;
use crate::svg::{Anchor, Point};

/// A name to be placed near a point.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The point that the name belongs to.
    pub at: Point,
    /// The width of the name.
    pub width: f64,
}

/// The place of a name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    /// The place of the name's text.
    pub at: Point,
    /// Which end of the text is at that place.
    pub anchor: Anchor,
    /// Whether the name is so far from its point that a line should connect them.
    pub far: bool,
    area: Frame,
}

impl Placed {
    /// The point of the text's border that is closest to another point.
    pub fn closest(&self, to: Point) -> Point {
        (
            to.0.clamp(self.area.left, self.area.right),
            to.1.clamp(self.area.top + 2.0, self.area.bottom - 2.0),
        )
    }
}

const HEIGHT: f64 = 14.0;
/// Half the side of the square that a point covers.
const POINT: f64 = 8.0;

/// Places names around their points, inside a frame.
///
/// Each name is placed where it covers least, given the others; a few rounds of that are enough for
/// the number of names that a picture can have.
pub fn place(requests: &[Request], inside: &Frame) -> Vec<Placed> {
    let first = |request: &Request| candidates(request)[0];
    let mut placed: Vec<Placed> = requests.iter().map(first).collect();
    for _ in 0..6 {
        for (index, request) in requests.iter().enumerate() {
            let cost = |candidate: &Placed| {
                let others = placed.iter().enumerate().filter(|(i, _)| *i != index);
                let names: f64 = others.map(|(_, o)| overlap(&candidate.area, &o.area)).sum();
                let points: f64 = requests
                    .iter()
                    .map(|other| overlap(&candidate.area, &around(other.at)))
                    .sum();
                let distance = distance(candidate.closest(request.at), request.at);
                let outside = outside(&candidate.area, inside);
                20.0 * names + 10.0 * points + 50.0 * outside + distance
            };
            let candidates = candidates(request);
            let best = candidates
                .into_iter()
                .min_by(|one, other| cost(one).total_cmp(&cost(other)));
            if let Some(best) = best {
                placed[index] = best;
            }
        }
    }
    placed
}

fn candidates(request: &Request) -> Vec<Placed> {
    let (x, y) = request.at;
    let mut candidates = Vec::new();
    for reach in [10.0, 20.0, 32.0, 46.0, 62.0] {
        for (across, down) in [
            (1.0, 0.0),
            (-1.0, 0.0),
            (0.0, -1.0),
            (0.0, 1.0),
            (0.75, -0.75),
            (0.75, 0.75),
            (-0.75, -0.75),
            (-0.75, 0.75),
            (0.4, -1.0),
            (0.4, 1.0),
            (-0.4, -1.0),
            (-0.4, 1.0),
        ] {
            let (x, y) = (x + across * reach, y + down * (reach + 3.0));
            let (anchor, left) = match across {
                across if across > 0.2 => (Anchor::Start, x),
                across if across < -0.2 => (Anchor::End, x - request.width),
                _ => (Anchor::Middle, x - request.width / 2.0),
            };
            candidates.push(Placed {
                at: (x, y + 4.0),
                anchor,
                far: reach > 15.0,
                area: Frame {
                    left,
                    top: y - HEIGHT / 2.0,
                    right: left + request.width,
                    bottom: y + HEIGHT / 2.0,
                },
            });
        }
    }
    candidates
}

fn around((x, y): Point) -> Frame {
    Frame {
        left: x - POINT,
        top: y - POINT,
        right: x + POINT,
        bottom: y + POINT,
    }
}

fn overlap(one: &Frame, other: &Frame) -> f64 {
    let across = one.right.min(other.right) - one.left.max(other.left);
    let down = one.bottom.min(other.bottom) - one.top.max(other.top);
    across.max(0.0) * down.max(0.0)
}

fn outside(area: &Frame, inside: &Frame) -> f64 {
    (inside.left - area.left).max(0.0)
        + (area.right - inside.right).max(0.0)
        + (inside.top - area.top).max(0.0)
        + (area.bottom - inside.bottom).max(0.0)
}

fn distance(one: Point, other: Point) -> f64 {
    (one.0 - other.0).hypot(one.1 - other.1)
}

/// Moves positions on a line apart, as little as necessary, inside limits.
pub fn spread(wanted: &[f64], apart: f64, (low, high): (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|one, other| wanted[*one].total_cmp(&wanted[*other]));
    let mut spread = wanted.to_vec();
    let mut least = low;
    for index in &order {
        spread[*index] = spread[*index].max(least);
        least = spread[*index] + apart;
    }
    let mut most = high;
    for index in order.iter().rev() {
        spread[*index] = spread[*index].min(most);
        most = spread[*index] - apart;
    }
    spread
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSIDE: Frame = Frame {
        left: 0.0,
        top: 0.0,
        right: 300.0,
        bottom: 200.0,
    };

    #[test]
    fn names_of_close_points_do_not_overlap() {
        let close = [(150.0, 100.0), (153.0, 102.0), (149.0, 97.0), (156.0, 99.0)];
        let requests = close.map(|at| Request { at, width: 80.0 });
        let placed = place(&requests, &INSIDE);
        for (index, one) in placed.iter().enumerate() {
            assert!(outside(&one.area, &INSIDE) < 1e-9);
            for other in &placed[index + 1..] {
                assert!(overlap(&one.area, &other.area) < 1e-9);
            }
        }
    }

    #[test]
    fn names_stay_inside() {
        let corner = Request {
            at: (298.0, 2.0),
            width: 80.0,
        };
        let placed = place(&[corner], &INSIDE);
        assert!(outside(&placed[0].area, &INSIDE) < 1e-9);
    }

    #[test]
    fn positions_move_apart() {
        let spread = spread(&[5.0, 6.0, 50.0, 99.0, 98.0], 10.0, (0.0, 100.0));
        assert_eq!(spread, [5.0, 15.0, 50.0, 100.0, 90.0]);
    }
}
